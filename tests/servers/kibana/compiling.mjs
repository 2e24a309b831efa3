// Compiles Vega-Lite specs and draws them, as Kibana does: with its interpreter of expressions instead of eval.
// node compiling.mjs FOLDER < {"name": spec, ...} > {"name": {"svg": ..., "warnings": [...]}, ...}
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const vega = require("vega");
const lite = require("vega-lite");
const { expressionInterpreter } = require("vega-interpreter");

const specs = JSON.parse(readFileSync(0, "utf8"));
const made = {};
for (const [name, spec] of Object.entries(specs)) {
  const warnings = [];
  const logger = vega.logger(vega.Warn);
  logger.warn = (...said) => (warnings.push(said.map(String).join(" ")), logger);
  const compiled = lite.compile(spec, { logger }).spec;
  const parsed = vega.parse(compiled, undefined, { ast: true });
  const view = new vega.View(parsed, { renderer: "none", expr: expressionInterpreter, logger });
  made[name] = { svg: await view.toSVG(), warnings };
}
process.stdout.write(JSON.stringify(made));

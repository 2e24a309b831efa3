// A song by fetch, for Node 18 or a browser: submit once however often the network breaks, wait, fetch.
//
//   node song.mjs "a calm piano piece" song.wav        (TUTTI_SERVER, TUTTI_API_KEY)

const AGAIN = new Set([408, 425, 429, 502, 503, 504]);
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? "the server refused the request");
    this.problem = problem;
  }
}

export function client(server, key) {
  const base = server.replace(/\/$/, "");

  async function send(path, options = {}, tries = 6) {
    const headers = { ...(key ? { authorization: `Bearer ${key}` } : {}), ...options.headers };
    for (let used = 0; ; used += 1) {
      let answer;
      try {
        answer = await fetch(base + path, { ...options, headers });
      } catch (error) {
        if (used >= tries) throw error;
      }
      if (answer?.ok) return answer;
      if (answer && (used >= tries || !AGAIN.has(answer.status))) {
        throw new Refused(await answer.json().catch(() => ({ status: answer.status })));
      }
      const told = Number(answer?.headers.get("retry-after")) || 0;
      await pause(Math.max(told, 0.5 * 2 ** used));
    }
  }

  async function submit(fields) {
    const headers = { "content-type": "application/json", "idempotency-key": crypto.randomUUID() };
    return (await send("/v1/jobs", { method: "POST", headers, body: JSON.stringify(fields) })).json();
  }

  async function wait(id, onUpdate = () => {}) {
    for (let seconds = 1; ; seconds = Math.min(5, seconds * 1.5)) {
      const job = await (await send(`/v1/jobs/${id}`)).json();
      onUpdate(job);
      if (job.state === "succeeded") return job;
      if (job.state === "failed" || job.state === "cancelled") throw new Refused(job.error ?? { detail: job.state });
      await pause(seconds);
    }
  }

  const song = async (job, number = 0) => (await send(job.outputs[number].url)).arrayBuffer();
  return { submit, wait, song };
}

if (globalThis.process?.argv[1]?.endsWith("song.mjs")) {
  const [prompt, file] = process.argv.slice(2);
  const { writeFile } = await import("node:fs/promises");
  const tutti = client(process.env.TUTTI_SERVER ?? "http://127.0.0.1:8000", process.env.TUTTI_API_KEY);
  const accepted = await tutti.submit({ prompt, duration: 5, format: "wav" });
  const job = await tutti.wait(accepted.id);
  await writeFile(file, Buffer.from(await tutti.song(job)));
  console.log(file);
}

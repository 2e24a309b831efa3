import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** Starts one node and stays. The first argument is its home, the others are settings as key=value. */
public final class OneNode {
    private static final String NAME = "tests";

    public static void main(String[] arguments) throws Exception {
        var home = Path.of(arguments[0]).toAbsolutePath();
        var settings = settings(home, arguments);
        LogConfigurator.setNodeName(NAME);
        LogConfigurator.configureWithoutConfig(settings);
        LogConfigurator.configureESLogging();
        var environment =
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> NAME);
        var modules = PluginsLoader.loadModulesBundles(environment.modulesDir(), false);
        var loader = PluginsLoader.createPluginsLoader(modules, Set.of(), Map.of(), false);
        new Node(environment, loader).start();
        new CountDownLatch(1).await();
    }

    private static Settings settings(Path home, String[] arguments) {
        var builder = Settings.builder().put("path.home", home.toString()).put("logger.level", "WARN");
        for (int i = 1; i < arguments.length; i++) {
            int equals = arguments[i].indexOf('=');
            builder.put(arguments[i].substring(0, equals), arguments[i].substring(equals + 1));
        }
        return builder.build();
    }
}

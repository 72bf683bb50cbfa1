using System.Collections;
using Akka.Configuration;
using Akka.Configuration.Hocon;
using EcomStream.PubSub;

namespace EcomStream.Hosting;

/// <summary>A setting as it is in effect.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Value">Its value; secrets are masked.</param>
/// <param name="Origin">Where it was set: command line, environment, file or default.</param>
internal sealed record EffectiveSetting(string Path, string Value, string Origin)
{
    /// <summary>Whether nobody has set it.</summary>
    public bool IsDefault => Origin == EffectiveSettings.Default;
}

/// <summary>Lists all settings of a process with their values and origins.</summary>
internal static class EffectiveSettings
{
    /// <summary>The origin of a setting that nobody has set.</summary>
    public const string Default = "default";

    private const string Project = "ecomstream.pubsub.project-id";

    private static readonly string[] _secrets = ["password", "token", "secret", "credentials", "private-key", "api-key", "passphrase"];

    /// <summary>All settings under <c>ecomstream</c>, by path.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="environment">The environment of the process.</param>
    public static IReadOnlyList<EffectiveSetting> Of(HostSettings settings, IDictionary environment)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var level = settings.Config; level is not null; level = level.Fallback)
        {
            if (level.Root is { } root && root.IsObject() && root.GetObject().Items.TryGetValue("ecomstream", out var section))
            {
                Add(section, "ecomstream", values);
            }
        }

        return [.. values.Select(value => new EffectiveSetting(value.Key, Masked(value.Key, value.Value), Origin(settings, value.Key, environment)))];
    }

    /// <summary>All settings of EcomStream, and what the user has set elsewhere, by path.</summary>
    /// <param name="user">What the user has set.</param>
    /// <param name="environment">The environment of the process.</param>
    public static IReadOnlyList<EffectiveSetting> Of(LoadedConfiguration user, IDictionary environment)
    {
        var settings = new SortedDictionary<string, EffectiveSetting>(StringComparer.Ordinal);
        foreach (var (path, text) in ConfigurationCheck.Defaults)
        {
            settings[path] = new EffectiveSetting(path, text, Default);
        }

        if (PubSubSettings.ProjectVariable(environment) is { } variable)
        {
            settings[Project] = new EffectiveSetting(Project, (string)environment[variable]!, variable);
        }

        foreach (var (path, value) in user.Values.Leaves())
        {
            var name = path.ToString();
            settings[name] = new EffectiveSetting(name, Masked(name, Text(value)), value.Origin.ToString());
        }

        return [.. settings.Values];
    }

    private static string Text(ConfigValue value) => value switch
    {
        TextValue text => text.Text ?? "null",
        ListValue list => $"[{string.Join(", ", list.Items.Select(Text))}]",
        _ => "{}",
    };

    private static string Masked(string path, string value)
    {
        var key = path[(path.LastIndexOf('.') + 1)..];
        return value.Length > 0 && !key.EndsWith("-file", StringComparison.Ordinal) && IsSecret(key) ? "********" : value;
    }

    private static bool IsSecret(string key) =>
        _secrets.Any(secret => key.Contains(secret, StringComparison.OrdinalIgnoreCase))
        || key.EndsWith("pass", StringComparison.OrdinalIgnoreCase)
        || key.EndsWith("pwd", StringComparison.OrdinalIgnoreCase);

    private static string Origin(HostSettings settings, string path, IDictionary environment) =>
        settings.CommandLine.Contains(path) ? "command line"
        : path == "ecomstream.pubsub.emulator-host" && environment["PUBSUB_EMULATOR_HOST"] is string { Length: > 0 } ? "environment"
        : path == Project && PubSubSettings.ProjectVariables.Contains(settings.PubSub.ProjectSource) ? "environment"
        : environment.Contains(path.Replace(".", "__", StringComparison.Ordinal).Replace('-', '_').ToUpperInvariant()) ? "environment"
        : settings.User.HasPath(path) ? "file"
        : Default;

    private static void Add(HoconValue value, string path, SortedDictionary<string, string> values)
    {
        if (value.IsObject())
        {
            foreach (var (key, child) in value.GetObject().Items)
            {
                Add(child, $"{path}.{key}", values);
            }
        }
        else
        {
            values.TryAdd(path, value.IsArray() ? string.Join(", ", value.GetStringList()) : value.GetString() ?? "");
        }
    }
}

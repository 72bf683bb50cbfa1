using System.Collections;
using System.Text.RegularExpressions;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace EcomStream.Hosting;

/// <summary>What the user has set, with its places.</summary>
/// <param name="Values">The resolved values.</param>
/// <param name="Referenced">Paths that substitutions refer to.</param>
/// <param name="Notes">What is not an error but worth knowing.</param>
internal sealed record LoadedConfiguration(SectionValue Values, IReadOnlySet<ConfigPath> Referenced, IReadOnlyList<string> Notes)
{
    /// <summary>The values in the form of Akka's configuration.</summary>
    public Config Config => Of(Values);

    /// <summary>Values in the form of Akka's configuration.</summary>
    public static Config Of(SectionValue values) => values.Items.Count == 0 ? Config.Empty : new Config(new HoconRoot(values.ToAkka()));
}

/// <summary>
/// Puts the configuration together: --set takes precedence over the environment, the environment over the file, and the
/// file over the defaults. A variable ECOMSTREAM__UNMATCHED__GRACE sets ecomstream.unmatched.grace: two underscores are a
/// dot, one is a hyphen.
/// </summary>
internal static partial class ConfigurationLoader
{
    private const string VariablePrefix = "ECOMSTREAM__";

    /// <summary>What the user set, without the defaults, in the form of Akka's configuration.</summary>
    /// <exception cref="ConfigurationException">The file is missing or not valid HOCON, or a --set has no value.</exception>
    public static Config Load(string? file, IReadOnlyList<string> sets, IDictionary environment) => Read(file, sets, environment).Config;

    /// <summary>What the user set, without the defaults.</summary>
    /// <param name="file">The file given with --config; null for none.</param>
    /// <param name="sets">path=value, as given with --set; later ones take precedence.</param>
    /// <param name="environment">The process's environment.</param>
    /// <exception cref="ConfigurationException">The file is missing or not valid HOCON, or a --set has no value.</exception>
    public static LoadedConfiguration Read(string? file, IReadOnlyList<string> sets, IDictionary environment)
    {
        var definitions = file is null ? new ConfigDefinitions() : ConfigDefinitions.OfFile(Find(file));
        foreach (var name in environment.Keys.OfType<string>().Where(name => name.StartsWith(VariablePrefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            var value = environment[name] as string ?? "";
            var path = name.Replace("__", ".", StringComparison.Ordinal).Replace('_', '-').ToLowerInvariant();
            definitions.Add(PathOf(path, name), new TextNode(new ConfigOrigin(name), value, IsQuoted: true));
        }

        foreach (var set in sets)
        {
            var equals = set.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new ConfigurationException($"--set {set}: must be path=value, such as ecomstream.unmatched.grace=5s.");
            }

            definitions.Add(PathOf(set[..equals].Trim(), "--set"), new TextNode(new ConfigOrigin("--set"), set[(equals + 1)..], IsQuoted: true));
        }

        var resolver = new ConfigResolver(definitions.All, environment);
        return new LoadedConfiguration(resolver.Resolve(), resolver.Referenced, definitions.Notes);
    }

    /// <summary>A profile is found by its path, or beside the program.</summary>
    private static string Find(string file)
    {
        foreach (var candidate in new[] { file, Path.Combine(AppContext.BaseDirectory, file), Path.Combine(AppContext.BaseDirectory, "hocon", file) })
        {
            if (File.Exists(candidate))
            {
                return Path.GetFullPath(candidate);
            }
        }

        throw new ConfigurationException(
            $"The configuration file {file} does not exist. The profiles are in {Path.Combine(AppContext.BaseDirectory, "hocon")}.");
    }

    private static ConfigPath PathOf(string path, string source) =>
        PlainPath().IsMatch(path)
            ? ConfigPath.Parse(path)
            : throw new ConfigurationException($"{source}: '{path}' is not the path of a setting: it must be like ecomstream.unmatched.grace.");

    [GeneratedRegex(@"^[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*$")]
    private static partial Regex PlainPath();
}

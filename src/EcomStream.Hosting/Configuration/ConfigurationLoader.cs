using System.Collections;
using System.Text.RegularExpressions;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace EcomStream.Hosting;

/// <summary>
/// Puts the configuration together: --set before the environment, the environment before the file, and the file before
/// the defaults. A variable ECOMSTREAM__UNMATCHED__GRACE sets ecomstream.unmatched.grace: two underscores are a dot,
/// one is a hyphen.
/// </summary>
internal static partial class ConfigurationLoader
{
    private const string VariablePrefix = "ECOMSTREAM__";

    /// <summary>What the user set, without the defaults.</summary>
    /// <param name="file">The file given with --config; null for none.</param>
    /// <param name="sets">path=value, as given with --set.</param>
    /// <param name="environment">The process's environment.</param>
    /// <exception cref="ConfigurationException">The file is not there or is no HOCON, or a --set has no value.</exception>
    public static Config Load(string? file, IReadOnlyList<string> sets, IDictionary environment)
    {
        var config = Config.Empty;
        foreach (var set in sets)
        {
            var equals = set.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new ConfigurationException($"--set {set}: it must be path=value, such as ecomstream.unmatched.grace=5s.");
            }

            // Later ones go before earlier ones.
            config = Single(set[..equals].Trim(), set[(equals + 1)..].Trim()).WithFallback(config);
        }

        foreach (DictionaryEntry variable in environment)
        {
            if (variable.Key is string name && name.StartsWith(VariablePrefix, StringComparison.Ordinal))
            {
                var path = name.Replace("__", ".", StringComparison.Ordinal).Replace('_', '-').ToLowerInvariant();
                config = config.WithFallback(Single(path, (string?)variable.Value ?? ""));
            }
        }

        return file is null ? config : config.WithFallback(FromFile(Find(file)));
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

    private static Config FromFile(string path) => new(Parse(path, []));

    private static HoconRoot Parse(string path, IReadOnlyList<string> including)
    {
        if (including.Contains(path))
        {
            throw new ConfigurationException($"{path} includes itself, by way of {string.Join(", ", including)}.");
        }

        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"The configuration file {path} cannot be read: {missing.Message}", missing);
        }

        if (HoconBrackets.Check(text) is { } wrong)
        {
            throw new ConfigurationException($"The configuration file {path} is no HOCON: {wrong}.");
        }

        try
        {
            return Parser.Parse(text, include => Parse(Path.Combine(Path.GetDirectoryName(path)!, include), [.. including, path]));
        }
        catch (Exception broken) when (broken is not ConfigurationException)
        {
            throw new ConfigurationException($"The configuration file {path} is no HOCON: {broken.Message}", broken);
        }
    }

    private static Config Single(string path, string value)
    {
        if (!PlainValue().IsMatch(path))
        {
            throw new ConfigurationException($"'{path}' is no path of a setting: it must be like ecomstream.unmatched.grace.");
        }

        var quoted = PlainValue().IsMatch(value) ? value : "\"" + value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";
        return ConfigurationFactory.ParseString($"{path} = {quoted}");
    }

    [GeneratedRegex(@"^[A-Za-z0-9_.\-]+$")]
    private static partial Regex PlainValue();
}

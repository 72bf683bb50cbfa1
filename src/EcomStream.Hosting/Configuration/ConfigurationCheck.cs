using System.Text.RegularExpressions;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace EcomStream.Hosting;

/// <summary>Finds everything that is wrong with a configuration, each with its place and the nearest valid key.</summary>
internal static partial class ConfigurationCheck
{
    private const string Root = "ecomstream";
    private const int MostValues = 100;

    private static readonly Dictionary<string, string> _known = Leaves(HostSettings.Reference).ToDictionary(leaf => leaf.Path, leaf => leaf.Text);
    private static readonly HashSet<string> _sections = [.. _known.Keys.SelectMany(Parents)];

    /// <summary>One line for each problem of an application's configuration; only the section ecomstream is EcomStream's.</summary>
    /// <param name="user">What the application has set, without the defaults.</param>
    /// <param name="emulatorHost">What PUBSUB_EMULATOR_HOST says.</param>
    public static IReadOnlyList<string> Problems(Config user, string? emulatorHost) => Problems(OfApplication(user), emulatorHost);

    /// <summary>One line for each problem, with its place; empty when there are none.</summary>
    /// <param name="user">What the user set, without the defaults.</param>
    /// <param name="emulatorHost">What PUBSUB_EMULATOR_HOST says.</param>
    public static IReadOnlyList<string> Problems(LoadedConfiguration user, string? emulatorHost)
    {
        var problems = new List<string>();
        var values = user.Values;
        foreach (var (path, value) in user.Values.Leaves())
        {
            if (KeyProblem(user, path.ToString(), value) is { } problem)
            {
                problems.Add(At(value, problem));
                values = values.Without(path);
            }
        }

        problems.AddRange(ValueProblems(values, emulatorHost));
        return problems;
    }

    /// <summary>One line for each unknown key; empty when all are known.</summary>
    public static IReadOnlyList<string> UnknownKeys(Config user)
    {
        var loaded = OfApplication(user);
        return [.. loaded.Values.Leaves().Select(leaf => KeyProblem(loaded, leaf.Path.ToString(), leaf.Value)).OfType<string>()];
    }

    /// <summary>The paths of all settings, with their defaults as text.</summary>
    public static IReadOnlyDictionary<string, string> Defaults => _known;

    /// <summary>A configuration as values; they have no places.</summary>
    public static SectionValue ValuesOf(Config config) =>
        config.IsEmpty || config.Root.Values.Count == 0 ? SectionValue.Empty : ValueOf(config.Root) as SectionValue ?? SectionValue.Empty;

    private static LoadedConfiguration OfApplication(Config config)
    {
        var values = ValuesOf(config);
        return new LoadedConfiguration(
            new SectionValue(default, values.Items.Where(item => item.Key == Root).ToDictionary()), new HashSet<ConfigPath>(), []);
    }

    private static ConfigValue ValueOf(HoconValue value) =>
        value.IsObject() ? new SectionValue(default, value.GetObject().Items.ToDictionary(item => item.Key, item => ValueOf(item.Value)))
        : value.IsArray() ? new ListValue(default, [.. value.GetArray().Select(ValueOf)])
        : new TextValue(default, SectionReader.RawText(value));

    private static string At(ConfigValue value, string problem) => value.Origin.Source is null ? problem : $"{value.Origin}: {problem}";

    private static string? KeyProblem(LoadedConfiguration user, string path, ConfigValue value)
    {
        if (_known.TryGetValue(path, out var standard))
        {
            return value switch
            {
                SectionValue { Items.Count: > 0 } => null,
                TextValue { Text: { } text } when Bare().IsMatch(text) && WithUnit().IsMatch(standard) =>
                    $"{path} = {text}: must have a unit, such as {(standard == "0s" ? "30s" : standard)}.",
                _ => null,
            };
        }

        if (IsFree(path) || (value is SectionValue && _sections.Contains(path)))
        {
            return null;
        }

        if (_sections.Contains(path))
        {
            return $"{path} is a section, not a setting: write {path} {{ ... }}.";
        }

        var first = path.Split('.')[0];
        if (first == "akka" || (first != Root && user.Referenced.Any(referenced => IsSameOrBelow(path, referenced.ToString()) || IsSameOrBelow(referenced.ToString(), path))))
        {
            return null;
        }

        if (_known.ContainsKey($"{Root}.{path}") || _sections.Contains($"{Root}.{first}"))
        {
            return $"{path} is not a setting. Did you mean {Root}.{path}?";
        }

        return $"{path} is not a setting. Did you mean {_known.Keys.Concat(_sections).MinBy(known => Distance(known, path))}?";
    }

    private static bool IsSameOrBelow(string path, string above) => path == above || path.StartsWith(above + ".", StringComparison.Ordinal);

    // The readers stop at the first wrong value. It is reported, left out, and the rest is read again.
    private static IEnumerable<string> ValueProblems(SectionValue values, string? emulatorHost)
    {
        for (var i = 0; i < MostValues; i++)
        {
            string problem;
            try
            {
                HostSettings.Read(LoadedConfiguration.Of(values), emulatorHost);
                yield break;
            }
            catch (ConfigurationException wrong)
            {
                problem = wrong.Message;
            }

            var named = values.Leaves()
                .Where(leaf => problem.Contains(leaf.Path.ToString(), StringComparison.Ordinal))
                .MaxBy(leaf => leaf.Path.ToString().Length);
            yield return named.Value is null ? problem : At(named.Value, problem);
            if (named.Value is null)
            {
                yield break;
            }

            values = values.Without(named.Path);
        }
    }

    // Dispatchers and mailboxes take whatever Akka's do.
    private static bool IsFree(string path) => path.Contains("-dispatcher.", StringComparison.Ordinal) || path.Contains("-mailbox.", StringComparison.Ordinal);

    private static IEnumerable<(string Path, string Text)> Leaves(Config config) =>
        ValuesOf(config).Leaves()
            .Select(leaf => (leaf.Path.ToString(), Text: leaf.Value is TextValue text ? text.Text ?? "null" : leaf.Value is ListValue list ? $"[{string.Join(", ", list.Items.OfType<TextValue>().Select(item => item.Text))}]" : ""))
            .Where(leaf => leaf.Item1.StartsWith(Root + ".", StringComparison.Ordinal));

    private static IEnumerable<string> Parents(string path)
    {
        for (var dot = path.LastIndexOf('.'); dot > 0; dot = path.LastIndexOf('.', dot - 1))
        {
            yield return path[..dot];
        }
    }

    // Levenshtein's edit distance.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }

    [GeneratedRegex(@"^\s*[+-]?(?=[0-9.]*[1-9])([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$")]
    private static partial Regex Bare();

    [GeneratedRegex(@"^[0-9]+(\.[0-9]+)?(us|ms|s|m|h|d|[KMG]iB|[kMG]B|B)$")]
    private static partial Regex WithUnit();
}

using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace EcomStream.Hosting;

/// <summary>Finds keys under <c>ecomstream</c> that do not exist, each with the nearest one that does.</summary>
internal static class ConfigurationCheck
{
    /// <summary>One line for each unknown key; empty when all are known.</summary>
    public static IReadOnlyList<string> UnknownKeys(Config user)
    {
        var known = Leaves(HostSettings.Reference).ToList();
        return
        [
            .. Leaves(user)
                .Where(path => !known.Contains(path) && !IsFree(path))
                .Select(path => $"{path} is not a setting. Did you mean {known.MinBy(k => Distance(k, path))}?"),
        ];
    }

    /// <summary>Everything that is wrong: unknown keys, and the first value that is out of its range.</summary>
    public static IReadOnlyList<string> Problems(Config user, string? emulatorHost)
    {
        var problems = UnknownKeys(user).ToList();
        try
        {
            HostSettings.Read(user, emulatorHost);
        }
        catch (ConfigurationException wrong)
        {
            problems.Add(wrong.Message);
        }

        return problems;
    }

    // Dispatchers and mailboxes take whatever Akka's do.
    private static bool IsFree(string path) => path.Contains("-dispatcher.", StringComparison.Ordinal) || path.Contains("-mailbox.", StringComparison.Ordinal);

    private static IEnumerable<string> Leaves(Config config)
    {
        if (!config.HasPath("ecomstream"))
        {
            return [];
        }

        return config.GetValue("ecomstream") is { } root ? Leaves(root, "ecomstream") : [];
    }

    private static IEnumerable<string> Leaves(HoconValue value, string path) =>
        value.IsObject()
            ? value.GetObject().Items.SelectMany(item => Leaves(item.Value, $"{path}.{item.Key}"))
            : [path];

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
}

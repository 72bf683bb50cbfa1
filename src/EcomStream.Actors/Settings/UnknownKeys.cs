using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace EcomStream.Actors;

/// <summary>Finds keys that the pipeline does not know in its own sections of <c>ecomstream</c>.</summary>
internal static class UnknownKeys
{
    // The sections of the pipeline; the other sections of "ecomstream" belong to adapters and to the host.
    private static readonly string[] Sections = ["join", "ingest", "writer", "unmatched", "dead-letters"];

    /// <summary>Throws when a key of the configuration is not in the defaults.</summary>
    /// <exception cref="ConfigurationException">Names every unknown key, with the nearest valid one.</exception>
    public static void Reject(Config config, Config reference)
    {
        var unknown = new List<string>();
        foreach (var section in Sections)
        {
            if (Object(config, section) is not { } given)
            {
                continue;
            }

            var known = Object(reference, section)!.Keys.ToList();
            unknown.AddRange(given.Keys.Where(key => !known.Contains(key)).Select(key =>
                $"ecomstream.{section}.{key} (nearest valid key: {known.MinBy(other => Distance(key, other))})"));
        }

        if (unknown.Count > 0)
        {
            throw new ConfigurationException($"Unknown keys: {string.Join(", ", unknown)}.");
        }
    }

    private static Dictionary<string, HoconValue>? Object(Config config, string section)
    {
        var keys = new Dictionary<string, HoconValue>();
        for (var level = config; level is not null; level = level.Fallback)
        {
            if (level.Root is { } root && Find(root, "ecomstream", section) is { } found && found.IsObject())
            {
                foreach (var (key, value) in found.GetObject().Items)
                {
                    keys.TryAdd(key, value);
                }
            }
        }

        return keys.Count > 0 ? keys : null;
    }

    private static HoconValue? Find(HoconValue root, params string[] path)
    {
        var value = root;
        foreach (var key in path)
        {
            if (!value.IsObject() || value.GetChildObject(key) is not { } child)
            {
                return null;
            }

            value = child;
        }

        return value;
    }

    // Levenshtein's distance.
    private static int Distance(string left, string right)
    {
        var row = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (left[i - 1] == right[j - 1] ? 0 : 1)));
            }
        }

        return row[^1];
    }
}

using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace EcomStream.PubSub;

/// <summary>Reads values of one HOCON section; every error names the whole path and the range.</summary>
internal sealed class SettingsReader(Config section, string root)
{
    /// <summary>A reader of the section <paramref name="root"/>; what the configuration leaves out is that of the reference.</summary>
    public static SettingsReader Of(Config config, Config reference, string root) =>
        // A configuration cannot be its own fallback.
        new((ReferenceEquals(config, reference) ? config : config.WithFallback(reference)).GetConfig(root), root);

    /// <summary>Fails at the first key under <paramref name="root"/> that the reference does not have.</summary>
    public static void RefuseUnknown(Config config, Config reference, string root)
    {
        if (!config.IsEmpty && config.HasPath(root))
        {
            Compare(config.GetValue(root), reference.GetValue(root), root);
        }
    }

    public int Int(string path, int least, int most)
    {
        var value = Read(path, "a whole number", p => section.GetInt(p));
        return value >= least && value <= most ? value : throw OutOfRange(path, $"{least} to {most}");
    }

    public long Bytes(string path, long least, long most)
    {
        var value = Read(path, "a size such as 64MiB", p => section.GetByteSize(p) ?? throw new FormatException("no size"));
        return value >= least && value <= most ? value : throw OutOfRange(path, $"{least} to {most} bytes");
    }

    public TimeSpan Time(string path, TimeSpan least, TimeSpan most)
    {
        var value = Read(path, "a time with a unit, such as 30s or 500ms", p => section.GetTimeSpan(p, allowInfinite: false));
        return value >= least && value <= most ? value : throw OutOfRange(path, $"{Text(least)} to {Text(most)}");
    }

    public string Text(string path)
    {
        var value = section.GetString(path);
        return string.IsNullOrWhiteSpace(value)
            ? throw new ConfigurationException($"{root}.{path} is empty: give it a name.")
            : value;
    }

    public string TextOrEmpty(string path) => section.GetString(path) ?? "";

    private static string Text(TimeSpan time) => time.TotalSeconds >= 1 ? $"{time.TotalSeconds:0.###}s" : $"{time.TotalMilliseconds:0.###}ms";

    private static void Compare(HoconValue value, HoconValue known, string path)
    {
        if (!known.IsObject())
        {
            return;
        }

        if (!value.IsObject())
        {
            throw new ConfigurationException($"{path} must be a section, {{ ... }}.");
        }

        var keys = known.GetObject().Items;
        foreach (var (key, child) in value.GetObject().Items)
        {
            if (!keys.TryGetValue(key, out var knownChild))
            {
                throw new ConfigurationException($"{path}.{key} is an unknown key; valid keys here are {string.Join(", ", keys.Keys)}.");
            }

            Compare(child, knownChild, $"{path}.{key}");
        }
    }

    private T Read<T>(string path, string kind, Func<string, T> read)
    {
        try
        {
            return read(path);
        }
        catch (Exception wrong)
        {
            throw new ConfigurationException($"{root}.{path} = {section.GetString(path)}: it must be {kind}.", wrong);
        }
    }

    private ConfigurationException OutOfRange(string path, string range) =>
        new($"{root}.{path} = {section.GetString(path)}: it must be {range}.");
}

using Akka.Configuration;

namespace EcomStream.Actors;

/// <summary>Reads values of one HOCON section; every error names the whole path and the range.</summary>
internal sealed class SettingsReader(Config section, string root)
{
    /// <summary>A reader of the section <paramref name="root"/>; what the configuration leaves out is that of the reference.</summary>
    public static SettingsReader Of(Config config, Config reference, string root) =>
        // A configuration cannot be its own fallback.
        new((ReferenceEquals(config, reference) ? config : config.WithFallback(reference)).GetConfig(root), root);

    public int Int(string path, int least, int most)
    {
        var value = Read(path, "a whole number", p => section.GetInt(p));
        return value >= least && value <= most
            ? value
            : throw new ConfigurationException($"{root}.{path} = {value}: it must be {least} to {most}.");
    }

    public TimeSpan Time(string path, TimeSpan least)
    {
        var value = Read(path, "a time with a unit, such as 30s or 500ms", p => section.GetTimeSpan(p, allowInfinite: false));
        return value >= least
            ? value
            : throw new ConfigurationException($"{root}.{path} = {value}: it must be at least {least.TotalMilliseconds} ms.");
    }

    public string Text(string path)
    {
        var value = section.GetString(path);
        return string.IsNullOrWhiteSpace(value)
            ? throw new ConfigurationException($"{root}.{path} is empty: give it a name.")
            : value;
    }

    /// <summary>One of some words.</summary>
    public string Choice(string path, params string[] words)
    {
        var text = Text(path);
        return words.Contains(text)
            ? text
            : throw new ConfigurationException($"{root}.{path} = {text}: it must be one of {string.Join(", ", words)}.");
    }

    /// <summary>A name; null for "off".</summary>
    public string? TextOrOff(string path) => Text(path) is var text && text == "off" ? null : text;

    /// <summary>A text; empty for none.</summary>
    public string OptionalText(string path) => section.GetString(path)?.Trim() ?? "";

    public bool Switch(string path) => Text(path) switch
    {
        "on" or "true" or "yes" => true,
        "off" or "false" or "no" => false,
        var text => throw new ConfigurationException($"{root}.{path} = {text}: it must be on or off."),
    };

    /// <summary>A list of host:port, or one text with commas, as --set and the environment give it; may be empty.</summary>
    public IReadOnlyList<string> Endpoints(string path)
    {
        var value = section.GetValue(path);
        string[] items = value.IsArray()
            ? [.. value.GetStringList()]
            : (value.GetString() ?? "").Trim('[', ']', ' ').Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        items = [.. items.Select(item => item.Trim('"'))];
        return items.FirstOrDefault(item => item.LastIndexOf(':') is var colon && (colon <= 0 || !ushort.TryParse(item[(colon + 1)..], out _))) is { } wrong
            ? throw new ConfigurationException($"{root}.{path} = {wrong}: it must be host:port, or a list of those.")
            : items;
    }

    public Backoff Backoff(string path)
    {
        var min = Time($"{path}.min-backoff", TimeSpan.FromMilliseconds(1));
        return new Backoff(min, Time($"{path}.max-backoff", min));
    }

    private T Read<T>(string path, string kind, Func<string, T> read)
    {
        if (!section.HasPath(path))
        {
            throw new ConfigurationException($"{root}.{path} is missing: it must be {kind}.");
        }

        try
        {
            return read(path);
        }
        catch (Exception wrong) when (wrong is not ConfigurationException { InnerException: null })
        {
            throw new ConfigurationException($"{root}.{path} = {section.GetString(path)}: it must be {kind}.", wrong);
        }
    }
}

using System.Globalization;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace EcomStream.Hosting;

/// <summary>Reads values of one HOCON section of the process; every error names the whole path and what it must be.</summary>
internal sealed class SectionReader(Config section, string root)
{
    public string Text(string path) => Secret(path).Trim();

    /// <summary>A text with its blanks.</summary>
    public string Secret(string path) => RawText(section.GetValue(path)) ?? "";

    /// <summary>A text as it was written: Akka's own getters trim it, and take the word null for none.</summary>
    public static string? RawText(HoconValue? value) => value is { Values: [HoconLiteral literal] } ? literal.Value : value?.GetString();

    public TimeSpan TimeOrZero(string path)
    {
        try
        {
            return section.GetTimeSpan(path, allowInfinite: false) is var time && time >= TimeSpan.Zero ? time : throw Wrong(path, "0s or longer");
        }
        catch (Exception wrong) when (wrong is not ConfigurationException)
        {
            throw Wrong(path, "a duration with a unit, such as 5s");
        }
    }

    public TimeSpan Time(string path) => TimeOrZero(path) is var time && time > TimeSpan.Zero ? time : throw Wrong(path, "longer than 0s, such as 5s");

    public long Bytes(string path) =>
        BytesOrZero(path) is var bytes and > 0 ? bytes : throw Wrong(path, "greater than 0, such as 512MiB");

    public long BytesOrZero(string path)
    {
        try
        {
            return section.GetByteSize(path) is { } bytes and >= 0 ? bytes : throw Wrong(path, "0 or more, such as 512MiB");
        }
        catch (Exception wrong) when (wrong is not ConfigurationException)
        {
            throw Wrong(path, "a size with a unit, such as 512MiB");
        }
    }

    public bool Switch(string path) => Text(path) switch
    {
        "on" or "true" or "yes" => true,
        "off" or "false" or "no" => false,
        _ => throw Wrong(path, "on or off"),
    };

    public int Int(string path, int least, int most) =>
        int.TryParse(Text(path), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw Wrong(path, $"a number from {least} to {most}");

    public T OneOf<T>(string path)
        where T : struct, Enum =>
        Enum.TryParse<T>(Text(path), ignoreCase: true, out var value) && Enum.IsDefined(value)
            ? value
            : throw Wrong(path, string.Join(" or ", Enum.GetNames<T>()).ToLowerInvariant());

    /// <summary>A list, or one text with commas, as --set and the environment give it; never empty.</summary>
    public string[] List(string path, string must)
    {
        var value = section.GetValue(path);
        string[] items = value.IsArray() ? [.. value.GetStringList()] : Items(path, Text(path), must);
        return items.Length > 0 ? items : throw new ConfigurationException($"{root}.{path} = : must be {must}.");
    }

    // On the command line and in the environment a list is text: a, b or ["a", "b"].
    private string[] Items(string path, string text, string must)
    {
        if (text is not ['[', .., ']'] || !text.Contains('"', StringComparison.Ordinal))
        {
            return text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        }

        try
        {
            return [.. ((ListNode)HoconParser.ParseValue($"{root}.{path}", text)).Items.Select(item => ((TextNode)item).Text)];
        }
        catch (Exception wrong) when (wrong is ConfigurationException or InvalidCastException)
        {
            throw Wrong(path, must);
        }
    }

    public ConfigurationException Wrong(string path, string must) => new($"{root}.{path} = {Text(path)}: must be {must}.");
}

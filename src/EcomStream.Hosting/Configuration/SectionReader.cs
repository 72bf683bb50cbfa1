using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>Reads values of one HOCON section of the process; every error names the whole path and what it must be.</summary>
internal sealed class SectionReader(Config section, string root)
{
    public string Text(string path) => section.GetString(path);

    public TimeSpan TimeOrZero(string path) => section.GetTimeSpan(path);

    public TimeSpan Time(string path) =>
        TimeOrZero(path) is var time && time > TimeSpan.Zero ? time : throw Wrong(path, "more than nothing, such as 5s");

    public bool Switch(string path) => Text(path) switch
    {
        "on" or "true" or "yes" => true,
        "off" or "false" or "no" => false,
        _ => throw Wrong(path, "on or off"),
    };

    public int Int(string path, int least, int most) =>
        int.TryParse(Text(path), out var number) && number >= least && number <= most
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

        // On the command line and in the environment a list is text: a, b or ["a", "b"].
        if (!value.IsArray() && value.GetString() is ['[', .., ']'] text && text.Contains('"', StringComparison.Ordinal))
        {
            value = ConfigurationFactory.ParseString($"list = {text}").GetValue("list");
        }

        string[] items = value.IsArray()
            ? [.. value.GetStringList()]
            : value.GetString().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return items.Length > 0 ? items : throw new ConfigurationException($"{root}.{path} = : it must be {must}.");
    }

    public ConfigurationException Wrong(string path, string must) => new($"{root}.{path} = {Text(path)}: it must be {must}.");
}

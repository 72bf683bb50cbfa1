using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.RegularExpressions;

namespace EcomStream.Host.Cli;

/// <summary>Options whose values are checked while the command line is parsed; an error names the option and what it takes.</summary>
internal static partial class Options
{
    /// <summary>A whole number in a range; without a default, the caller asks whether it is given.</summary>
    public static Option<long> Number(string name, long? value, string description, long least = 0, long most = int.MaxValue) => new(name)
    {
        Description = description,
        HelpName = "number",
        DefaultValueFactory = value is { } standard ? _ => standard : null,
        CustomParser = result => Parse<long>(
            result, name, text => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most ? number : null,
            $"a whole number from {least} to {most}"),
    };

    /// <summary>A number of 0 or more, with decimals.</summary>
    public static Option<double> Rate(string name, double value, string description) => new(name)
    {
        Description = description,
        HelpName = "number",
        DefaultValueFactory = _ => value,
        CustomParser = result => Parse<double>(result, name, text => Real(text) is { } number and >= 0 ? number : null, "a number of 0 or more"),
    };

    /// <summary>A share, 0 to 1.</summary>
    public static Option<double> Share(string name, double value, string description) => new(name)
    {
        Description = $"{description}, 0 to 1",
        HelpName = "share",
        DefaultValueFactory = _ => value,
        CustomParser = result => Parse<double>(result, name, text => Real(text) is { } number and >= 0 and <= 1 ? number : null, "a number from 0 to 1"),
    };

    /// <summary>A duration with a unit; null where it is not given.</summary>
    public static Option<TimeSpan?> Duration(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "duration",
        CustomParser = result => Parse<TimeSpan>(
            result, name, text => Durations.TryParse(text, out var duration) ? duration : null, "a duration with a unit, such as 500ms, 5s or 1h30m"),
    };

    /// <summary>
    /// One of an enum's values, written in lower case with hyphens. Where the option is left out, its value is that of 0:
    /// another default is the caller's to put in.
    /// </summary>
    public static Option<T> Choice<T>(string name, T value, string description)
        where T : struct, Enum
    {
        var option = new Option<T>(name)
        {
            Description = $"{description}; {Name(value)} when left out",
            HelpName = string.Join('|', Enum.GetValues<T>().Select(Name)),
            CustomParser = result => Parse<T>(result, name, OneOf<T>, $"one of {string.Join(", ", Enum.GetValues<T>().Select(Name))}"),
        };
        option.CompletionSources.Clear();
        option.CompletionSources.Add([.. Enum.GetValues<T>().Select(Name)]);
        return option;
    }

    /// <summary>How a value of an enum is written: OrdersFirst is orders-first.</summary>
    public static string Name<T>(T value)
        where T : struct, Enum => WordStart().Replace(value.ToString(), "-$0").ToLowerInvariant();

    /// <summary>The value of an enum that a text names, in any case; null for none.</summary>
    public static T? OneOf<T>(string text)
        where T : struct, Enum =>
        Enum.GetValues<T>().Cast<T?>().FirstOrDefault(candidate => Name(candidate!.Value).Equals(text, StringComparison.OrdinalIgnoreCase));

    private static double? Real(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : null;

    private static T Parse<T>(ArgumentResult result, string name, Func<string, T?> read, string must)
        where T : struct
    {
        var text = result.Tokens.Count > 0 ? result.Tokens[^1].Value : "";
        if (read(text) is { } value)
        {
            return value;
        }

        result.AddError($"{name} {text}: must be {must}.");
        return default;
    }

    [GeneratedRegex("(?<!^)[A-Z]")]
    private static partial Regex WordStart();
}

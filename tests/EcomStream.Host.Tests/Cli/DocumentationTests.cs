using System.CommandLine;
using System.Text.RegularExpressions;
using EcomStream.Host.Cli;
using EcomStream.TestSupport;

namespace EcomStream.Host.Tests.Cli;

/// <summary>What README and docs say of the command line is what it does.</summary>
public sealed partial class DocumentationTests
{
    private static readonly string[] _files = [Path.Combine(SourceTree.Root, "README.md"), .. Directory.GetFiles(Path.Combine(SourceTree.Root, "docs"), "*.md")];

    private static readonly RootCommand _root = CommandLineProgram.Root(
        new CommandContext { Out = TextWriter.Null, Error = TextWriter.Null, In = TextReader.Null });

    [Fact]
    public void Every_exit_code_is_in_the_table_and_no_other()
    {
        int[] codes = [Exit.Ok, Exit.Failed, Exit.Usage, Exit.Differences, Exit.NotFound, Exit.Interrupted, Exit.ReaderGone, Exit.Terminated];
        var table = File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "cli.md"));
        TableCode().Matches(table).Select(row => int.Parse(row.Groups[1].Value)).ShouldBe(codes);
    }

    [Fact]
    public void Every_command_is_in_the_table_of_commands_and_no_other()
    {
        var table = File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "cli.md")).Split("## Exit codes")[0];
        var commands = _root.Subcommands.SelectMany(top =>
            top.Subcommands.Select(sub => $"{top.Name} {sub.Name}").Concat(top.Action is null ? [] : [top.Name]));
        TableCommand().Matches(table).Select(row => row.Groups[1].Value).ShouldBe(commands, ignoreOrder: true);
    }

    [Fact]
    public void Every_command_with_a_format_is_named()
    {
        var text = File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "cli.md"));
        var named = text[text.IndexOf("`--format` of", StringComparison.Ordinal)..];
        named = named[..named.IndexOf(":\n", StringComparison.Ordinal)];
        var commands = _root.Subcommands.SelectMany(top => top.Subcommands.Select(sub => ($"{top.Name} {sub.Name}", sub)).Append((top.Name, top)))
            .Where(command => command.Item2.Options.Any(option => option.Name == "--format"))
            .Select(command => $"`{command.Item1}`");
        Quoted().Matches(named).Select(match => match.Value).Skip(1).ShouldBe(commands, ignoreOrder: true);
    }

    [Fact]
    public void Every_command_line_in_the_documentation_is_valid()
    {
        var lines = _files.SelectMany(CommandLines).ToList();
        lines.Count.ShouldBeGreaterThan(20);
        var wrong = lines
            .Where(line => _root.Parse(Arguments(line.Text)).Errors.Any(IsWrong))
            .Select(line => $"{Path.GetFileName(line.File)}: {line.Text}: {string.Join("; ", _root.Parse(Arguments(line.Text)).Errors.Select(e => e.Message))}");
        wrong.ShouldBeEmpty();
    }

    [Fact]
    public void Every_command_is_in_the_documentation()
    {
        var text = string.Concat(_files.Select(File.ReadAllText));
        foreach (var command in _root.Subcommands.SelectMany(top => top.Subcommands.Count == 0 ? [top.Name] : top.Subcommands.Select(sub => $"{top.Name} {sub.Name}")))
        {
            var (group, name) = command.Split(' ') is [var first, var second] ? (first, second) : (command, null);
            var isListed = text.Contains($"ecomstream {command}") || text.Contains($"`{command}")
                || (name is not null && Regex.IsMatch(text, $@"ecomstream {group} [\w\\|]*\b{name}\b"));
            isListed.ShouldBeTrue(command);
        }
    }

    [Fact]
    public void Every_setting_of_the_clients_has_its_counterpart_in_the_official_clients()
    {
        var text = File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "clients.md"));
        foreach (var section in new[] { "ecomstream.pubsub.", "ecomstream.store.cassandra." })
        {
            var keys = Hosting.ConfigurationCheck.Defaults.Keys.Where(key => key.StartsWith(section, StringComparison.Ordinal)).ToList();
            keys.Count.ShouldBeGreaterThan(20);
            keys.Where(key => !text.Contains($"`{key[section.Length..]}`", StringComparison.Ordinal)).ShouldBeEmpty();
        }
    }

    // A group of commands may be named without one of them.
    private static bool IsWrong(System.CommandLine.Parsing.ParseError error) => error.Message != "Required command was not provided.";

    private static IEnumerable<(string File, string Text)> CommandLines(string file)
    {
        var text = File.ReadAllText(file);
        return Inline().Matches(text).Concat(Fenced().Matches(text))
            .Select(match => (file, match.Groups[1].Value.ReplaceLineEndings(" ").Trim()))
            .Where(line => !line.Item2.Contains('|') && !line.Item2.Contains("..."));
    }

    // Words in capitals stand for a value: a number fits all of them that are not free text.
    private static string[] Arguments(string line) =>
    [
        .. Word().Matches(line).Skip(1).Select(word => word.Groups[1].Success ? word.Groups[1].Value : word.Value)
            .TakeWhile(word => word is not ("#" or "&&" or "&"))
            .Select(word => word is "COMMAND" ? "run" : word is "ID" or "ORDER" ? "17" : word is "PATH=VALUE" ? "a=1" : word),
    ];

    [GeneratedRegex(@"^\| (\d+) \|", RegexOptions.Multiline)]
    private static partial Regex TableCode();

    [GeneratedRegex(@"^\| `([a-z ]+)` \|", RegexOptions.Multiline)]
    private static partial Regex TableCommand();

    [GeneratedRegex("`[^`]+`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"`(ecomstream [^`]+)`")]
    private static partial Regex Inline();

    [GeneratedRegex(@"^(ecomstream .+)$", RegexOptions.Multiline)]
    private static partial Regex Fenced();

    [GeneratedRegex(@"""([^""]*)""|'[^']*'|\S+")]
    private static partial Regex Word();
}

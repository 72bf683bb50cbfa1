using System.CommandLine;
using System.Text;
using EcomStream.Host;
using EcomStream.Host.Cli;

namespace EcomStream.Chaos.Fuzzing.Targets;

/// <summary>
/// Command lines, parsed and not run: an argument on each line of the input. No operating system passes a null character.
/// Errors are in the result.
/// </summary>
internal sealed class CommandLineTarget : IFuzzTarget
{
    private static readonly IReadOnlyList<byte[]> _corpus = Corpus.Of(
        "run\n--config\nembedded.conf\n--data\nx\n--until-idle\n5s\n--http\n127.0.0.1:0",
        "produce\n--orders\n10\n--payments\n10\n--rate\n5\n--sequence\ninterleaved\n--duplicates\n0.1",
        "dlq\nlist\n--reason\nsuperseded\n--state\nwaiting\n--older-than\n2h\n--limit\n5\n--format\njson",
        "dlq\nreplay\n17-1017\n--dry-run\n--rate\n3\n--newer-than\n2026-11-24T08:00:00Z",
        "orders\nget\n--format=csv\n--\n-5",
        "broker\n--port\n0\n--fsync\nalways\n--fsync-interval\n50ms\n--segment-bytes\n65536",
        "config\nshow\n--set\necomstream.unmatched.grace=5s\n--changed");

    private static readonly IReadOnlyList<byte[]> _tokens = Corpus.Of(
        "\n", "--", "-", "=", ":", "--set", "--help", "--version", "[suggest:3]", "[diagram]", "@file", "9223372036854775808", "-1", "1e999", "NaN", "5s", "1h30m", "99999999999d",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "\"", "'", " ", "é", "\u0000", "run", "dlq", "list", "0");

    private readonly RootCommand _root = CommandLineProgram.Root(new CommandContext { Out = TextWriter.Null, Error = TextWriter.Null, In = TextReader.Null });

    public string Name => "command-line";

    public int Weight => 25;

    public void Run(FuzzInput input)
    {
        var arguments = Encoding.UTF8.GetString(input.Next(_corpus, _tokens)).Split('\n', '\0');
        foreach (var error in _root.Parse(arguments).Errors)
        {
            _ = error.Message.Length > 0 ? error : throw new FuzzException("an error without a text");
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

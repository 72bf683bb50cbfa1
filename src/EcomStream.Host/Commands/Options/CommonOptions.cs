using System.CommandLine;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary>The options that say which configuration a command works with.</summary>
internal sealed class CommonOptions(CommandContext context)
{
    public Option<string?> File { get; } = new("--config", "-c") { Description = "HOCON file, or a profile: embedded.conf, emulator.conf, gcp.conf, cluster.conf; the embedded broker and store when left out", HelpName = "file" };

    public Option<string[]> Set { get; } = new("--set", "-s")
    {
        Description = "Sets one key, such as ecomstream.unmatched.grace=5s; may be repeated",
        HelpName = "path=value",
        DefaultValueFactory = _ => [],
    };

    public Option<string?> Data { get; } = new("--data", "-d")
    {
        Description = "Folder of the embedded store (ecomstream.db) and of the embedded broker; ecomstream.data-dir when left out",
        HelpName = "dir",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(File);
        command.Options.Add(Set);
        command.Options.Add(Data);
    }

    /// <summary>What the user set, without the defaults.</summary>
    public LoadedConfiguration Load(ParseResult result)
    {
        var sets = result.GetValue(Set) ?? [];
        return ConfigurationLoader.Read(
            result.GetValue(File), result.GetValue(Data) is { } data ? [.. sets, $"ecomstream.data-dir={data}"] : sets, context.Environment);
    }

    /// <summary>All settings, checked.</summary>
    /// <exception cref="UsageException">Something is wrong; the message has a line for each problem.</exception>
    public HostSettings Read(ParseResult result)
    {
        var user = Load(result);
        return ConfigurationCheck.Problems(user, context.EmulatorHost) is { Count: > 0 } problems
            ? throw new UsageException(string.Join(Environment.NewLine, problems))
            : HostSettings.Read(user.Config, context.EmulatorHost, context.Environment) with { CommandLine = Paths(result) };
    }

    private List<string> Paths(ParseResult result)
    {
        var paths = (result.GetValue(Set) ?? []).Select(set => set.Split('=', 2)[0].Trim()).ToList();
        if (result.GetValue(Data) is not null)
        {
            paths.Add("ecomstream.data-dir");
        }

        return paths;
    }
}

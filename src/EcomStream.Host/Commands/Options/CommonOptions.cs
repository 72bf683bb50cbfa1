using System.CommandLine;
using Akka.Configuration;
using EcomStream.PubSub;

namespace EcomStream.Host.Commands;

/// <summary>The options that say which configuration a command works with.</summary>
internal sealed class CommonOptions
{
    public Option<string?> File { get; } = new("--config", "-c") { Description = "HOCON file; profiles: embedded.conf, emulator.conf" };

    public Option<string[]> Set { get; } = new("--set", "-s")
    {
        Description = "A single key: path=value, such as ecomstream.unmatched.grace=5s; may be repeated",
        DefaultValueFactory = _ => [],
    };

    public Option<string?> Data { get; } = new("--data", "-d") { Description = "Folder of the embedded broker and store" };

    public void AddTo(Command command)
    {
        command.Options.Add(File);
        command.Options.Add(Set);
        command.Options.Add(Data);
    }

    /// <summary>What the user set, without the defaults.</summary>
    public Config Load(ParseResult result)
    {
        var config = ConfigurationLoader.Load(result.GetValue(File), result.GetValue(Set) ?? [], Environment.GetEnvironmentVariables());
        return result.GetValue(Data) is { } data
            ? ConfigurationLoader.Load(null, [$"ecomstream.data-dir={data}"], new Dictionary<string, string>()).WithFallback(config)
            : config;
    }

    /// <summary>All settings, checked.</summary>
    /// <exception cref="UsageException">Something is wrong; the message has a line for each problem.</exception>
    public HostSettings Read(ParseResult result)
    {
        var user = Load(result);
        return ConfigurationCheck.Problems(user, EmulatorHost) is { Count: > 0 } problems
            ? throw new UsageException(string.Join(Environment.NewLine, problems))
            : HostSettings.Read(user, EmulatorHost) with { CommandLine = Paths(result) };
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

    public static string? EmulatorHost => Environment.GetEnvironmentVariable(PubSubSettings.EmulatorVariable);
}

/// <summary>The user has to change something: one clear text, exit code 2.</summary>
/// <param name="message">What to change.</param>
internal sealed class UsageException(string message) : Exception(message);

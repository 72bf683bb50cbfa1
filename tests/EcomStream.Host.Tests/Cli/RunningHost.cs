namespace EcomStream.Host.Tests.Cli;

/// <summary>A demo in this process that has joined its messages and serves its HTTP address: orders 1 to 50, payments 1 to 53.</summary>
public sealed class RunningHost : IAsyncLifetime
{
    public const string Token = "sesame";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-host-");
    private readonly CancellationTokenSource _stop = new();
    private Task<CommandLineRun>? _run;

    /// <summary>Host and port.</summary>
    public string Address { get; private set; } = "";

    public async Task InitializeAsync()
    {
        var output = new WaitingWriter();
        _run = CommandLineRun.In(
            new CommandLineRun.Place { Stop = _stop.Token, Output = output, Environment = new() { ["ECOMSTREAM__HTTP__TOKEN"] = Token } },
            "demo", "--orders", "50", "--payments", "53", "--rate", "0", "--orphans", "0", "--malformed", "0", "--duplicates", "0", "--hold",
            "--data", _folder.FullName, "--log-level", "error");
        await Task.WhenAny(output.FirstLine, _run).WaitAsync(TimeSpan.FromSeconds(60));
        _run.IsCompleted.ShouldBeFalse();
        Address = (await output.FirstLine).Replace("Dashboard on http://", "");
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run!;
        _stop.Dispose();
        _folder.Delete(recursive: true);
    }

    /// <summary>Runs a command that asks the host, with its token.</summary>
    internal Task<CommandLineRun> Ask(CommandLineRun.Place place, params string[] arguments) =>
        CommandLineRun.In(place with { Environment = new() { ["ECOMSTREAM__HTTP__TOKEN"] = Token, ["ECOMSTREAM__HTTP__ADDRESS"] = Address } }, arguments);
}

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace EcomStream.Chaos.Load;

/// <summary>The official Node client of Cloud Pub/Sub, in a process of its own, told over its standard input what to publish.</summary>
internal sealed class NodeLoadClient : ILoadClient
{
    private readonly Process _node;
    private readonly ConcurrentDictionary<long, (ShopMessage Message, TaskCompletionSource Confirmed)> _pending = new();
    private readonly Task _answers;
    private readonly ConcurrentQueue<string> _errors = new();

    /// <param name="endpoint">host:port of the broker.</param>
    /// <param name="folder">The folder whose node_modules has @google-cloud/pubsub.</param>
    public NodeLoadClient(string endpoint, string folder)
    {
        var start = new ProcessStartInfo("node", [Path.Combine(AppContext.BaseDirectory, "outside-client", "load.cjs"), Names.Project])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PUBSUB_EMULATOR_HOST"] = endpoint;
        start.Environment["NODE_PATH"] = Path.Combine(folder, "node_modules");
        _node = Process.Start(start) ?? throw new InvalidOperationException("node did not start.");
        _node.ErrorDataReceived += (_, line) => _errors.Enqueue(line.Data ?? "");
        _node.BeginErrorReadLine();
        _answers = Task.Run(ReadAnswersAsync);
    }

    public string Name => "the official Node client";

    public async Task PublishAsync(ShopMessage message, CancellationToken cancellationToken)
    {
        var confirmed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _pending[message.Number] = (message, confirmed);
        Send(message);
        if (_answers.IsCompleted)
        {
            confirmed.TrySetException(Ended());
        }

        await confirmed.Task.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_node.HasExited)
        {
            _node.Kill();
        }

        await _answers;
        _node.Dispose();
    }

    private void Send(ShopMessage message)
    {
        var line = JsonSerializer.Serialize(new { number = message.Number, topic = message.Topic, data = message.Data });
        lock (_node)
        {
            _node.StandardInput.WriteLine(line);
            _node.StandardInput.Flush();
        }
    }

    // A line for each message: its number, and an error where the client gave up.
    private async Task ReadAnswersAsync()
    {
        while (await _node.StandardOutput.ReadLineAsync() is { } line)
        {
            var parts = line.Split(' ', 2);
            var number = long.Parse(parts[0], CultureInfo.InvariantCulture);
            if (parts.Length > 1 && _pending.TryGetValue(number, out var again))
            {
                Send(again.Message);
            }
            else if (_pending.TryRemove(number, out var done))
            {
                done.Confirmed.TrySetResult();
            }
        }

        foreach (var (_, confirmed) in _pending.Values)
        {
            confirmed.TrySetException(Ended());
        }
    }

    private InvalidOperationException Ended() => new($"The Node client has ended: {string.Join(Environment.NewLine, _errors)}");
}

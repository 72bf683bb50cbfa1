namespace EcomStream.Host.Cli;

/// <summary>A terminal that is redrawn.</summary>
internal interface IScreen
{
    /// <summary>Characters of a line.</summary>
    int Width { get; }

    /// <summary>Lines.</summary>
    int Height { get; }

    /// <summary>Waits for a key.</summary>
    /// <param name="patience">How long it waits.</param>
    /// <param name="stop">Ends it.</param>
    /// <returns>The key; null when none was pressed in time.</returns>
    Task<char?> KeyAsync(TimeSpan patience, CancellationToken stop);
}

/// <summary>The terminal of this process.</summary>
internal sealed class ConsoleScreen : IScreen
{
    private const int DefaultHeight = 24;

    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(50);

    public int Width => Console.WindowWidth > 0 ? Console.WindowWidth : CommandContext.DefaultWidth;

    public int Height => Console.WindowHeight > 0 ? Console.WindowHeight : DefaultHeight;

    public async Task<char?> KeyAsync(TimeSpan patience, CancellationToken stop)
    {
        // The console has no call that waits for a key and can be cancelled.
        for (var waited = TimeSpan.Zero; waited < patience; waited += _poll)
        {
            if (!Console.IsInputRedirected && Console.KeyAvailable)
            {
                return Console.ReadKey(intercept: true).KeyChar;
            }

            await Task.Delay(_poll, stop);
        }

        return null;
    }
}

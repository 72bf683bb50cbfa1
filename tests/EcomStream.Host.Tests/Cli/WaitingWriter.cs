namespace EcomStream.Host.Tests.Cli;

/// <summary>An output whose first line can be waited for.</summary>
internal sealed class WaitingWriter : StringWriter
{
    private readonly TaskCompletionSource<string> _line = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<string> FirstLine => _line.Task;

    /// <summary>Lines so far.</summary>
    public int Lines { get; private set; }

    public override Task WriteLineAsync(string? value)
    {
        Lines++;
        _line.TrySetResult(value ?? "");
        return base.WriteLineAsync(value);
    }
}

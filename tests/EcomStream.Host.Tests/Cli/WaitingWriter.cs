namespace EcomStream.Host.Tests.Cli;

/// <summary>An output whose first line can be waited for.</summary>
internal sealed class WaitingWriter : StringWriter
{
    private readonly TaskCompletionSource<string> _line = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<string> FirstLine => _line.Task;

    public override Task WriteLineAsync(string? value)
    {
        _line.TrySetResult(value ?? "");
        return base.WriteLineAsync(value);
    }
}

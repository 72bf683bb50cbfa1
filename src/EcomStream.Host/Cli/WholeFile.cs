namespace EcomStream.Host.Cli;

/// <summary>A file that appears under its name only when it is complete: it is written beside it and renamed.</summary>
internal sealed class WholeFile : IDisposable
{
    private readonly string _path;
    private readonly string _temporary;
    private readonly FileStream _stream;

    private WholeFile(string path)
    {
        _path = Path.GetFullPath(path);
        _temporary = $"{_path}.{Environment.ProcessId}.tmp";
        _stream = new FileStream(_temporary, FileMode.Create, FileAccess.Write);
        Writer = new StreamWriter(_stream);
    }

    /// <summary>Writes its text.</summary>
    public StreamWriter Writer { get; }

    /// <exception cref="UsageException">The file cannot be created there.</exception>
    public static WholeFile Create(string path)
    {
        try
        {
            return Directory.Exists(path) ? throw new UsageException($"--output {path}: is a folder.") : new WholeFile(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--output {path}: {error.Message}");
        }
    }

    /// <summary>Gives the file its name.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        await Writer.FlushAsync(cancellationToken);
        _stream.Flush(flushToDisk: true);
        await Writer.DisposeAsync();
        File.Move(_temporary, _path, overwrite: true);
    }

    public void Dispose()
    {
        _stream.Dispose();
        File.Delete(_temporary);
    }
}

using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker;

/// <summary>The broker's folder: where each file stands, and that one broker owns it at a time.</summary>
internal sealed class BrokerFolder : IDisposable
{
    private readonly string _path;
    private readonly FileStream _ownership;

    private BrokerFolder(string path, FileStream ownership)
    {
        _path = path;
        _ownership = ownership;
    }

    public string MetadataPath => Path.Combine(_path, "broker.json");

    /// <exception cref="BrokerStartException">It cannot be made, or is in use.</exception>
    public static BrokerFolder Own(string path)
    {
        try
        {
            foreach (var folder in (string[])["topics", "subscriptions", "snapshots"])
            {
                Directory.CreateDirectory(Path.Combine(path, folder));
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BrokerStartException($"The broker's folder {path} cannot be made ({error.Message}). Give another folder.", error);
        }

        try
        {
            return new BrokerFolder(
                path, new FileStream(Path.Combine(path, "broker.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BrokerStartException(
                $"The broker's folder {path} is in use by another broker, or may not be written ({error.Message}). Stop the other one, or give another folder.", error);
        }
    }

    public string AckPath(int subscription) => Path.Combine(_path, "subscriptions", $"{subscription}.acks");

    public string SnapshotPath(int snapshot) => Path.Combine(_path, "snapshots", $"{snapshot}.acks");

    public string TopicFolder(int topic) => Path.Combine(_path, "topics", $"{topic}");

    public void Dispose() => _ownership.Dispose();
}

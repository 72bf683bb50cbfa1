namespace EcomStream.Hosting;

/// <summary>Where the embedded broker of a data folder listens, for the commands that are run beside it.</summary>
internal static class BrokerEndpointFile
{
    /// <summary>Says where it listens.</summary>
    public static void Write(HostSettings settings, string endpoint) => File.WriteAllText(Path(settings), endpoint);

    /// <summary>Where it listens, as far as is known; null when no process has said so.</summary>
    public static string? Read(HostSettings settings) => File.Exists(Path(settings)) ? File.ReadAllText(Path(settings)).Trim() : null;

    /// <summary>It no longer listens.</summary>
    public static void Delete(HostSettings settings) => File.Delete(Path(settings));

    private static string Path(HostSettings settings) => System.IO.Path.Combine(settings.DataDirectory, "broker.endpoint");
}

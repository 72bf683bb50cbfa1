using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>Loads the configuration of an EcomStream process.</summary>
public static class EcomStreamConfiguration
{
    /// <summary>
    /// Loads what the user has set, without the defaults: <paramref name="settings"/> take precedence over the environment
    /// (ECOMSTREAM__UNMATCHED__GRACE=5s), and the environment over the file.
    /// </summary>
    /// <param name="file">A HOCON file, or the name of a profile beside the program; null for none.</param>
    /// <param name="settings">Single settings, such as ecomstream.unmatched.grace=5s.</param>
    /// <exception cref="ConfigurationException">The file is missing or invalid, or a setting has no value.</exception>
    public static Config Load(string? file = null, params IReadOnlyList<string> settings) =>
        ConfigurationLoader.Load(file, settings, Environment.GetEnvironmentVariables());
}

namespace EcomStream.TestSupport;

/// <summary>The files of the repository that a test looks at, wherever it was built.</summary>
public static class SourceTree
{
    /// <summary>The folder that EcomStream.slnx is in.</summary>
    public static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        var folder = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder, "EcomStream.slnx")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("EcomStream.slnx is nowhere above the tests.");
        }

        return folder;
    }
}

using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

/// <summary>The two projects of the join stay small enough in their parts to be read: see CONTRIBUTING.md.</summary>
public sealed class LayoutTests
{
    private const int MostLines = 300;
    private const int MostFiles = 12;

    [Theory]
    [InlineData("EcomStream.Core")]
    [InlineData("EcomStream.Actors")]
    public void No_file_is_longer_than_300_lines_and_no_folder_has_more_than_12_files(string project)
    {
        var root = Path.Combine(SourceTree.Root, "src", project);
        var files = Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Where(file => !Path.GetRelativePath(root, file).StartsWith("obj", StringComparison.Ordinal) && !Path.GetRelativePath(root, file).StartsWith("bin", StringComparison.Ordinal))
            .ToList();
        files.Count.ShouldBeGreaterThan(20);
        files.Where(file => File.ReadLines(file).Count() > MostLines).ShouldBeEmpty();
        files.GroupBy(Path.GetDirectoryName).Where(folder => folder.Count() > MostFiles).Select(folder => folder.Key).ShouldBeEmpty();
    }
}

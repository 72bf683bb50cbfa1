using System.Diagnostics;

namespace EcomStream.Samples.Tests;

/// <summary>The samples do what the documentation says, and are what it shows.</summary>
public sealed class SamplesTests
{
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task The_embedding_starts_joins_and_drains()
    {
        var data = Directory.CreateTempSubdirectory("ecomstream-sample");
        try
        {
            var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "EcomStream.Samples.Embedding.dll"));
            start.ArgumentList.Add(data.FullName);
            using var process = Process.Start(start)!;
            using var deadline = new CancellationTokenSource(_longest);
            await using var killed = deadline.Token.Register(() => process.Kill());
            var output = "";
            while (!output.Contains("being joined", StringComparison.Ordinal))
            {
                output += await process.StandardOutput.ReadLineAsync(deadline.Token) ?? throw new InvalidOperationException($"It ended: {output}");
            }

            using (Process.Start("kill", ["-TERM", $"{process.Id}"]))
            {
                await process.StandardOutput.ReadToEndAsync(deadline.Token);
                await process.WaitForExitAsync(deadline.Token);
            }

            process.ExitCode.ShouldBe(0);
            File.Exists(Path.Combine(data.FullName, "ecomstream.db")).ShouldBeTrue();
        }
        finally
        {
            data.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("README.md", "EcomStream.Samples.Embedding/Program.cs")]
    [InlineData("docs/testing.md", "EcomStream.Samples.Tests/LatePaymentTests.cs")]
    public void The_documentation_shows_them(string page, string sample)
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "EcomStream.slnx")))
        {
            root = root.Parent!;
        }

        File.ReadAllText(Path.Combine(root.FullName, page)).ShouldContain(File.ReadAllText(Path.Combine(root.FullName, "samples", sample)));
    }
}

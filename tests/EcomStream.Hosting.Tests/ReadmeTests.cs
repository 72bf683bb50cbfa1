using EcomStream.Actors;
using EcomStream.TestSupport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace EcomStream.Hosting.Tests;

/// <summary>The program of the README, compiled and run as it stands there.</summary>
public sealed class ReadmeTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_program_of_the_README_is_the_one_that_runs_here()
    {
        var readme = Lines(File.ReadAllText(Path.Combine(SourceTree.Root, "README.md")).Split("```csharp")[1].Split("```")[0]);
        var here = Lines(File.ReadAllText(Path.Combine(SourceTree.Root, "tests", "EcomStream.Hosting.Tests", "ReadmeTests.cs")).Split("// " + "begin")[1].Split("// " + "end")[0]);
        here.Select(line => line.Replace("[.. settings]", "\"ecomstream.data-dir=shop-data\"", StringComparison.Ordinal)).ShouldBe(readme);
    }

    [Fact]
    public async Task The_program_of_the_README_starts_drains_and_ends()
    {
        string[] args = [];
        string[] settings = [$"ecomstream.data-dir={_folder.FullName}", "ecomstream.broker.port=0"];

        // begin
        var builder = Host.CreateApplicationBuilder(args);
        builder.Services.AddEcomStream(EcomStreamConfiguration.Load("hocon/embedded.conf", [.. settings]));
        using var host = builder.Build();
        await host.StartAsync();
        var pipeline = host.Services.GetRequiredService<EcomStreamPipeline>();
        await pipeline.Started;
        host.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication(); // in this test it is stopped at once
        await host.WaitForShutdownAsync();
        await pipeline.Completion;
        // end

        pipeline.Completion.IsCompletedSuccessfully.ShouldBeTrue();
    }

    private static List<string> Lines(string text) =>
        [.. text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && !line.Contains("// in this test", StringComparison.Ordinal))];
}

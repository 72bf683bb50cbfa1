using System.Net;
using System.Text;
using EcomStream.TestSupport;

namespace EcomStream.Host.Tests.Cli;

/// <summary>The command that container engines call.</summary>
public sealed class HealthCommandTests(RunningHost host) : IClassFixture<RunningHost>
{
    [Fact]
    public async Task A_host_that_is_ready_is_code_0_even_without_its_token()
    {
        CommandLineRun? run = null;
        await Eventually.True(async () => (run = await CommandLineRun.Of("health", "--node", host.Address)).Code == 0, "the host is ready", TimeSpan.FromSeconds(60));
        run!.Lines[0].ShouldBeOneOf("ready", "degraded");

        var named = await CommandLineRun.In(
            new CommandLineRun.Place { Environment = new() { ["ECOMSTREAM__HTTP__ADDRESS"] = host.Address.Replace("127.0.0.1", "0.0.0.0"), ["ECOMSTREAM__HTTP__TOKEN"] = RunningHost.Token } }, "health");
        named.Code.ShouldBe(0, named.Error);
    }

    [Fact]
    public async Task A_host_that_is_not_ready_is_code_1_and_names_the_checks_that_fail()
    {
        var port = FreePorts.Next();
        using var listener = new HttpListener();
        listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        listener.Start();
        var answer = AnswerAsync(listener, 503, """{"status":"not-ready","checks":[{"name":"pipeline","state":"ok","reason":""},{"name":"store","state":"failed","reason":"The disk is full."}]}""");

        var run = await CommandLineRun.Of("health", "--node", $"127.0.0.1:{port}");

        run.Code.ShouldBe(1);
        run.Lines.ShouldBe(["not-ready", "store (failed): The disk is full."]);
        (await answer).ShouldBe("/health/ready");
    }

    [Fact]
    public async Task Another_server_is_not_a_host()
    {
        var port = FreePorts.Next();
        using var listener = new HttpListener();
        listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        listener.Start();
        var answer = AnswerAsync(listener, 200, "<html>");

        var run = await CommandLineRun.Of("health", "--node", $"127.0.0.1:{port}");

        run.Code.ShouldBe(1);
        run.Error.ShouldContain("is not an EcomStream host");
        await answer;
    }

    [Fact]
    public async Task A_host_that_does_not_answer_in_time_is_code_1()
    {
        var port = FreePorts.Next();
        using var listener = new HttpListener();
        listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        listener.Start();

        var run = await CommandLineRun.Of("health", "--node", $"127.0.0.1:{port}", "--timeout", "300ms");

        run.Code.ShouldBe(1);
        run.Error.ShouldContain("no answer within 0.3 s");
    }

    private static async Task<string> AnswerAsync(HttpListener listener, int status, string body)
    {
        var call = await listener.GetContextAsync();
        call.Response.StatusCode = status;
        await call.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(body));
        call.Response.Close();
        return call.Request.Url!.AbsolutePath;
    }
}

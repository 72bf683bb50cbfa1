using System.Collections.Concurrent;
using System.Net;
using System.Text;

namespace EcomStream.EndToEnd.Tests.Operations;

/// <summary>A small OTLP collector: it accepts protobuf over HTTP and keeps the bodies, whose names and texts are UTF-8.</summary>
internal sealed class OtlpCollector : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly ConcurrentDictionary<string, StringBuilder> _received = new();

    public OtlpCollector()
    {
        Endpoint = $"http://127.0.0.1:{EcomStreamProcess.FreePort()}";
        _listener.Prefixes.Add(Endpoint + "/");
        _listener.Start();
        _ = ReceiveAsync();
    }

    public string Endpoint { get; }

    /// <summary>Whether a signal (metrics, traces or logs) has arrived with a text.</summary>
    public bool Has(string signal, string text)
    {
        if (!_received.TryGetValue($"/v1/{signal}", out var bodies))
        {
            return false;
        }

        lock (bodies)
        {
            return bodies.ToString().Contains(text, StringComparison.Ordinal);
        }
    }

    public void Dispose() => _listener.Close();

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                var context = await _listener.GetContextAsync();
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body);
                var bodies = _received.GetOrAdd(context.Request.Url!.AbsolutePath, _ => new StringBuilder());
                lock (bodies)
                {
                    bodies.Append(Encoding.Latin1.GetString(body.ToArray()));
                }

                context.Response.ContentType = "application/x-protobuf";
                context.Response.Close();
            }
        }
        catch (Exception ended) when (ended is HttpListenerException or ObjectDisposedException)
        {
            // The test has ended.
        }
    }
}

using System.Reflection;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EcomStream.Web;

/// <summary>The pages of the dashboard and their files, all of them embedded in the program: no other server is asked.</summary>
internal static class Pages
{
    private static readonly Assembly _assembly = typeof(Pages).Assembly;

    private static readonly (string Path, string File, string Title)[] _pages =
    [
        ("/", "flow", "Flow"),
        ("/order", "order", "Order"),
        ("/dead-letters", "dead-letters", "Dead letters"),
        ("/cluster", "cluster", "Cluster"),
        ("/settings", "settings", "Settings"),
        ("/logs", "logs", "Logs"),
    ];

    private static readonly Dictionary<string, string> _types = new Dictionary<string, string>
    {
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".svg"] = "image/svg+xml",
    };

    /// <summary>Maps pages and files.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var layout = Text("layout.html");
        foreach (var (path, file, title) in _pages)
        {
            var page = layout
                .Replace("{{title}}", title, StringComparison.Ordinal)
                .Replace("{{page}}", file, StringComparison.Ordinal)
                .Replace($"data-page=\"{file}\"", $"data-page=\"{file}\" aria-current=\"page\"", StringComparison.Ordinal)
                .Replace("{{main}}", Text($"{file}.html"), StringComparison.Ordinal);
            endpoints.MapGet(path, () => Results.Text(page, "text/html; charset=utf-8"));
        }

        var signIn = Text("sign-in.html");
        endpoints.MapGet("/sign-in", (HttpRequest request) => Results.Text(
            signIn.Replace("{{error}}", request.Query.ContainsKey("wrong") ? "This token is wrong." : "", StringComparison.Ordinal), "text/html; charset=utf-8"));
        foreach (var name in _assembly.GetManifestResourceNames().Where(name => name.StartsWith("assets/", StringComparison.Ordinal)))
        {
            if (_types.TryGetValue(Path.GetExtension(name), out var type))
            {
                var bytes = Bytes(name["assets/".Length..]);
                var tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(bytes))[..16]}\"";
                endpoints.MapGet($"/{name}", (HttpContext context) => File(context, bytes, type, tag));
            }
        }

        // Browsers ask for it whatever a page says.
        endpoints.MapGet("/favicon.ico", () => Results.Redirect("/assets/icon.svg"));
    }

    private static IResult File(HttpContext context, byte[] bytes, string type, string tag)
    {
        // Always asked for again: after an update of the program the pages must not meet old scripts.
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers.ETag = tag;
        return context.Request.Headers.IfNoneMatch == tag ? Results.StatusCode(StatusCodes.Status304NotModified) : Results.Bytes(bytes, type);
    }

    private static string Text(string file) => System.Text.Encoding.UTF8.GetString(Bytes(file));

    private static byte[] Bytes(string file)
    {
        using var stream = _assembly.GetManifestResourceStream($"assets/{file}") ?? throw new InvalidOperationException($"assets/{file} is not part of the program.");
        using var buffer = new MemoryStream();
        stream.CopyTo(buffer);
        return buffer.ToArray();
    }
}

using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace EcomStream.Web;

/// <summary>
/// Decides who may send a request, and sets the headers that protect a browser. /health is open to all; everything else
/// requires the token where one is set, as a bearer token or as the cookie that the sign-in page sets.
/// </summary>
internal sealed class AccessControl(HttpSettings settings)
{
    /// <summary>The header that requests with effects carry: other sites cannot send it.</summary>
    public const string ActionHeader = "X-EcomStream-Action";

    private const string Cookie = "ecomstream";
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    // The cookie is not the token itself, and is worthless after a restart.
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);

    /// <summary>Handles one request.</summary>
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;
        response.Headers.XContentTypeOptions = "nosniff";
        
        // Without a referrer browsers send "Origin: null" with the form of the sign-in page.
        response.Headers["Referrer-Policy"] = "same-origin";
        response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        if (!request.Path.StartsWithSegments("/assets"))
        {
            response.Headers.CacheControl = "no-store";
        }

        if (request.Path.StartsWithSegments("/health"))
        {
            await next(context);
        }
        else if (!IsExpectedHost(request.Host.Host))
        {
            // A name that was made to point here (DNS rebinding) would let another site read the answers.
            await Refuse(response, StatusCodes.Status421MisdirectedRequest, $"This endpoint is not {request.Host}. Use its IP address or localhost.");
        }
        else if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method) && !IsSameOrigin(request))
        {
            await Refuse(response, StatusCodes.Status403Forbidden, "The request does not come from the dashboard.");
        }
        else if (request.Path == "/sign-in" && HttpMethods.IsPost(request.Method))
        {
            await SignInAsync(context);
        }
        else if (request.Path.StartsWithSegments("/assets") || request.Path == "/sign-in" || IsAuthorized(request))
        {
            await next(context);
        }
        else if (request.Path.StartsWithSegments("/api") || request.Path == "/metrics")
        {
            response.Headers.WWWAuthenticate = "Bearer";
            await Refuse(response, StatusCodes.Status401Unauthorized, "Send the token of ecomstream.http.token as a bearer token, or sign in.");
        }
        else
        {
            response.Redirect("/sign-in");
        }
    }

    private bool IsExpectedHost(string host) =>
        !settings.IsLoopback || settings.Token.Length > 0
        || host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    // Browsers send Sec-Fetch-Site or Origin with every such request; the header below cannot be sent across origins
    // without a preflight, which is never answered. The form of the sign-in page has no header.
    private static bool IsSameOrigin(HttpRequest request)
    {
        var site = request.Headers["Sec-Fetch-Site"].ToString();
        var origin = request.Headers.Origin.ToString();
        var isForeign = site is not ("" or "same-origin") || (origin.Length > 0 && origin != $"{request.Scheme}://{request.Host}");
        return !isForeign && (request.Path == "/sign-in" || request.Headers.ContainsKey(ActionHeader));
    }

    private bool IsAuthorized(HttpRequest request)
    {
        if (settings.Token.Length == 0)
        {
            return true;
        }

        var bearer = request.Headers.Authorization.ToString();
        return (bearer.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) && AreEqual(bearer["Bearer ".Length..].Trim(), settings.Token))
            || AreEqual(request.Cookies[Cookie] ?? "", SignedIn);
    }

    private async Task SignInAsync(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        if (!AreEqual(form["token"].ToString(), settings.Token))
        {
            context.Response.Redirect("/sign-in?wrong");
            return;
        }

        context.Response.Cookies.Append(
            Cookie, SignedIn, new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Strict, Secure = context.Request.IsHttps, Path = "/" });
        context.Response.Redirect("/");
    }

    private string SignedIn => Convert.ToHexString(HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes(settings.Token)));

    // Compared as hashes: neither the time nor the length tells anything about the token.
    private static bool AreEqual(string left, string right) =>
        CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(left)), SHA256.HashData(Encoding.UTF8.GetBytes(right)));

    private static Task Refuse(HttpResponse response, int status, string reason)
    {
        response.StatusCode = status;
        return response.WriteAsJsonAsync(new { error = reason });
    }
}

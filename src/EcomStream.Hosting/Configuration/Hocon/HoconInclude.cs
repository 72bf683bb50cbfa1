using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>Parses the forms of include: a name, file(), required(), and url() and classpath(), which are rejected.</summary>
internal static class HoconInclude
{
    private const string Keyword = "include";

    /// <summary>Whether an include comes next, rather than a key that begins with this word.</summary>
    public static bool IsNext(HoconScanner scanner)
    {
        foreach (var after in (string[])[" ", "\t", "\""])
        {
            if (scanner.IsNext(Keyword + after))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Parses it.</summary>
    /// <exception cref="ConfigurationException">It has another form.</exception>
    public static ConfigField Parse(HoconScanner scanner)
    {
        var origin = scanner.Origin;
        scanner.Take(Keyword);
        scanner.TakeBlanks();
        if (scanner.Peek is '=' or ':' or '{' or '+')
        {
            throw origin.Error("'include' is not a key unless it is in quotes");
        }

        var isRequired = scanner.Take("required(");
        scanner.TakeBlanks();
        foreach (var form in (string[])["url(", "classpath("])
        {
            if (scanner.IsNext(form))
            {
                throw origin.Error($"include {form}) is not supported: include a file by its name or with file()");
            }
        }

        var isFile = scanner.Take("file(");
        scanner.TakeBlanks();
        if (scanner.Peek != '"')
        {
            throw origin.Error("include must be followed by a file name in quotes, file(\"name\") or required(\"name\")");
        }

        var name = scanner.TakeQuoted();
        foreach (var _ in Enumerable.Range(0, (isFile ? 1 : 0) + (isRequired ? 1 : 0)))
        {
            scanner.TakeBlanks();
            if (!scanner.Take(")"))
            {
                throw origin.Error($"include \"{name}\" is not closed by ')'");
            }
        }

        return name.Contains('\0', StringComparison.Ordinal)
            ? throw origin.Error("the name of the included file has a null character, which no file name has")
            : new IncludeField(origin, name, isRequired);
    }
}

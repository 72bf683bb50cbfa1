using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>One assignment of a file, with its whole path.</summary>
/// <param name="Path">The whole path.</param>
/// <param name="Value">What is assigned; never a section alone, which is taken apart, unless it is empty.</param>
/// <param name="Base">The path at which the file is included; substitutions are looked up below it first.</param>
/// <param name="IsAppend">Whether the value is appended to a list.</param>
internal sealed record ConfigDefinition(ConfigPath Path, ConfigNode Value, ConfigPath Base, bool IsAppend);

/// <summary>The assignments of a file and of those that it includes, in their order.</summary>
internal sealed class ConfigDefinitions
{
    private static readonly string[] _extensions = ["", ".conf", ".json"];

    private readonly List<ConfigDefinition> _all = [];
    private readonly List<string> _notes = [];

    /// <summary>The assignments.</summary>
    public IReadOnlyList<ConfigDefinition> All => _all;

    /// <summary>What is not an error but worth knowing, such as an optional include without a file.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Reads a file.</summary>
    /// <exception cref="ConfigurationException">The file cannot be read, is not HOCON, or includes itself.</exception>
    public static ConfigDefinitions OfFile(string path)
    {
        var definitions = new ConfigDefinitions();
        definitions.AddFile(path, ConfigPath.Root, []);
        return definitions;
    }

    /// <summary>Reads a text.</summary>
    public static ConfigDefinitions OfText(string source, string text)
    {
        var definitions = new ConfigDefinitions();
        definitions.AddSection(Parse(source, text), ConfigPath.Root, ConfigPath.Root, []);
        return definitions;
    }

    /// <summary>Adds an assignment that follows all others.</summary>
    public void Add(ConfigPath path, ConfigNode value) => AddValue(path, value, ConfigPath.Root, isAppend: false, []);

    private static SectionNode Parse(string source, string text) =>
        HoconBrackets.Check(text) is { } wrong
            ? throw new ConfigurationException($"The configuration file {source} is not valid HOCON: {wrong}.")
            : HoconParser.Parse(source, text);

    private void AddFile(string path, ConfigPath at, IReadOnlyList<string> including)
    {
        if (including.Contains(path))
        {
            throw new ConfigurationException($"{path} includes itself, by way of {string.Join(", ", including)}.");
        }

        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"The configuration file {path} cannot be read: {missing.Message}", missing);
        }

        AddSection(Parse(path, text), at, at, [.. including, path]);
    }

    private void AddSection(SectionNode section, ConfigPath at, ConfigPath root, IReadOnlyList<string> including)
    {
        foreach (var field in section.Fields)
        {
            if (field is IncludeField include)
            {
                Include(include, at, including);
            }
            else if (field is AssignedField assigned)
            {
                AddValue(at.Append(assigned.Path), assigned.Value, root, assigned.IsAppend, including);
            }
        }
    }

    private void AddValue(ConfigPath path, ConfigNode value, ConfigPath root, bool isAppend, IReadOnlyList<string> including)
    {
        if (value is SectionNode section && !isAppend)
        {
            // That it is a section counts although it may be empty: it replaces a text.
            _all.Add(new ConfigDefinition(path, section with { Fields = [] }, root, IsAppend: false));
            AddSection(section, path, root, including);
            return;
        }

        _all.Add(new ConfigDefinition(path, value, root, isAppend));
    }

    private void Include(IncludeField include, ConfigPath at, IReadOnlyList<string> including)
    {
        if (Find(include.Name, including) is { } file)
        {
            AddFile(file, at, including);
        }
        else if (include.IsRequired)
        {
            throw include.Origin.Error($"the required file {include.Name} does not exist");
        }
        else
        {
            _notes.Add($"{include.Origin}: the included file {include.Name} does not exist and is left out");
        }
    }

    // Beside the file that includes it, or one of the profiles beside the program.
    private static string? Find(string name, IReadOnlyList<string> including)
    {
        string[] folders = [including.Count > 0 ? Path.GetDirectoryName(including[^1])! : ".", Path.Combine(AppContext.BaseDirectory, "hocon")];
        return folders
            .SelectMany(folder => _extensions.Select(extension => Path.GetFullPath(Path.Combine(folder, name + extension))))
            .FirstOrDefault(File.Exists);
    }
}

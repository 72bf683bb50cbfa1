using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>Where a part of the configuration comes from.</summary>
/// <param name="Source">A file, "--set" or an environment variable.</param>
/// <param name="Line">Its line, from 1; 0 where there are no lines.</param>
internal readonly record struct ConfigOrigin(string Source, int Line = 0)
{
    public override string ToString() => Line > 0 ? $"{Source}:{Line}" : Source;

    /// <summary>An error at this place.</summary>
    public ConfigurationException Error(string message) => new($"{this}: {message}");
}

/// <summary>A value as it is written, before substitutions are resolved.</summary>
internal abstract record ConfigNode(ConfigOrigin Origin);

/// <summary>A text, a number, a switch or null.</summary>
/// <param name="Origin">Where it is.</param>
/// <param name="Text">Its text without quotes.</param>
/// <param name="IsQuoted">Whether it was in quotes.</param>
internal sealed record TextNode(ConfigOrigin Origin, string Text, bool IsQuoted) : ConfigNode(Origin);

/// <summary>A list.</summary>
internal sealed record ListNode(ConfigOrigin Origin, IReadOnlyList<ConfigNode> Items) : ConfigNode(Origin);

/// <summary>A section in braces.</summary>
internal sealed record SectionNode(ConfigOrigin Origin, IReadOnlyList<ConfigField> Fields) : ConfigNode(Origin);

/// <summary>A substitution, ${path} or ${?path}.</summary>
internal sealed record SubstitutionNode(ConfigOrigin Origin, ConfigPath Path, bool IsOptional) : ConfigNode(Origin);

/// <summary>Values side by side: texts are joined, lists appended, sections merged.</summary>
internal sealed record ConcatenationNode(ConfigOrigin Origin, IReadOnlyList<ConfigNode> Parts) : ConfigNode(Origin);

/// <summary>An entry of a section.</summary>
internal abstract record ConfigField(ConfigOrigin Origin);

/// <summary>path = value, or with <paramref name="IsAppend"/> path += value.</summary>
internal sealed record AssignedField(ConfigOrigin Origin, ConfigPath Path, ConfigNode Value, bool IsAppend) : ConfigField(Origin);

/// <summary>include "name".</summary>
/// <param name="Origin">Where it is.</param>
/// <param name="Name">The file.</param>
/// <param name="IsRequired">Whether a missing file is an error.</param>
internal sealed record IncludeField(ConfigOrigin Origin, string Name, bool IsRequired) : ConfigField(Origin);

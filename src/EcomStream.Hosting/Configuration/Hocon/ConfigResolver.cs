using System.Collections;
using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>
/// Resolves substitutions: later definitions win, sections merge, a value that refers to itself means the one before it,
/// and what no file defines is looked up in the environment. It always ends: a circle is an error, and so is a
/// configuration whose substitutions expand without measure.
/// </summary>
internal sealed class ConfigResolver(IReadOnlyList<ConfigDefinition> definitions, IDictionary environment)
{
    private const int MostSteps = 200_000;
    private const long MostValues = 20_000;
    private const long MostCharacters = 10_000_000;
    private const int MostDepth = 1_000;

    private const string TooLarge = "the substitutions expand too far: a configuration may have 20,000 values and 10 million characters of text";

    private readonly HashSet<int> _inProgress = [];
    private readonly Dictionary<ConfigPath, ConfigValue?> _final = [];
    private int _steps;
    private long _characters;
    private int _depth;

    /// <summary>The paths that substitutions refer to.</summary>
    public HashSet<ConfigPath> Referenced { get; } = [];

    /// <summary>Resolves everything.</summary>
    /// <exception cref="ConfigurationException">A substitution is undefined, or part of a circle.</exception>
    public SectionValue Resolve()
    {
        var all = Value(ConfigPath.Root, definitions.Count) as SectionValue ?? SectionValue.Empty;
        return all.Size <= MostValues ? all : throw definitions[^1].Value.Origin.Error(TooLarge);
    }

    // The value at a path as the first definitions make it; null for none. From the last one backwards, as far as it counts.
    private ConfigValue? Value(ConfigPath path, int count)
    {
        var isFinal = count == definitions.Count;
        if (isFinal && _final.TryGetValue(path, out var known))
        {
            return known;
        }

        var layers = new Stack<ConfigValue>();
        var isHidden = new HashSet<ConfigPath>();
        for (var i = count - 1; i >= 0; i--)
        {
            var definition = definitions[i];
            if (path.StartsWith(definition.Path))
            {
                if (Layer(path, i) is not { } layer)
                {
                    continue;
                }

                if (layer is HiddenValue)
                {
                    break;
                }

                layers.Push(layer);
                if (layer is not SectionValue)
                {
                    break;
                }
            }
            else if (definition.Path.StartsWith(path) && !IsHidden(isHidden, definition.Path) && Evaluate(i) is { } below)
            {
                // What a text or list replaces is not evaluated.
                if (below is not SectionValue)
                {
                    isHidden.Add(definition.Path);
                }

                layers.Push(SectionValue.Empty.With(definition.Path.After(path.Length), below));
            }
        }

        ConfigValue? value = null;
        foreach (var layer in layers)
        {
            value = layer is SectionValue over && value is SectionValue under ? under.With(over) : layer;
        }

        if (isFinal)
        {
            _final[path] = value;
        }

        return value;
    }

    // What a definition at the path or above it says of the path.
    private ConfigValue? Layer(ConfigPath path, int index)
    {
        var definition = definitions[index];
        var value = Evaluate(index);
        return value is null || path == definition.Path ? value
            : value is SectionValue section ? section.At(path.After(definition.Path.Length))
            : new HiddenValue(value.Origin);
    }

    private static bool IsHidden(HashSet<ConfigPath> hidden, ConfigPath path) => hidden.Any(path.StartsWith);

    private ConfigValue? Evaluate(int index)
    {
        var definition = definitions[index];
        if (++_steps > MostSteps || _depth > MostDepth)
        {
            throw definition.Value.Origin.Error(TooLarge);
        }

        if (!_inProgress.Add(index))
        {
            throw definition.Value.Origin.Error($"{definition.Path} refers to itself by way of other settings");
        }

        _depth++;
        try
        {
            // Each of its parts was small enough; a value that is used twice, again and again, is not.
            var value = Evaluate(definition.Value, index);
            if (value?.Size > MostValues)
            {
                throw definition.Value.Origin.Error(TooLarge);
            }

            if (!definition.IsAppend || value is null)
            {
                return value;
            }

            return Value(definition.Path, index) switch
            {
                null => new ListValue(value.Origin, [value]),
                ListValue before => new ListValue(value.Origin, [.. before.Items, value]),
                _ => throw definition.Value.Origin.Error($"{definition.Path} is not a list, += cannot append to it"),
            };
        }
        finally
        {
            _depth--;
            _inProgress.Remove(index);
        }
    }

    private ConfigValue? Evaluate(ConfigNode node, int index) => node switch
    {
        TextNode { IsQuoted: false, Text: "null" } => new TextValue(node.Origin, null),
        TextNode text => new TextValue(text.Origin, text.Text),
        ListNode list => new ListValue(list.Origin, [.. list.Items.Select(item => Evaluate(item, index)).OfType<ConfigValue>()]),
        SectionNode section => Section(section, index),
        SubstitutionNode substitution => Substitute(substitution, index),
        ConcatenationNode concatenation => Concatenate(concatenation, index),
        _ => throw new ArgumentOutOfRangeException(nameof(node), node, "Not a node of a configuration."),
    };

    // A section inside a list or beside a substitution.
    private SectionValue Section(SectionNode section, int index)
    {
        var value = new SectionValue(section.Origin, SectionValue.Empty.Items);
        foreach (var field in section.Fields)
        {
            if (field is not AssignedField assigned)
            {
                throw field.Origin.Error("include is not supported inside a list or beside a substitution");
            }

            if (assigned.IsAppend)
            {
                throw field.Origin.Error("+= is not supported inside a list or beside a substitution");
            }

            if (Evaluate(assigned.Value, index) is { } inner)
            {
                value = value.With(assigned.Path, inner);
            }
        }

        return value;
    }

    private ConfigValue? Substitute(SubstitutionNode substitution, int index)
    {
        var definition = definitions[index];
        ConfigPath[] candidates = definition.Base.Length > 0 ? [definition.Base.Append(substitution.Path), substitution.Path] : [substitution.Path];
        foreach (var path in candidates)
        {
            Referenced.Add(path);

            // A value that refers to itself, or to what it is a part of, means what was before it.
            var refersToItself = path.StartsWith(definition.Path) || definition.Path.StartsWith(path);
            if (Value(path, refersToItself ? index : definitions.Count) is { } value)
            {
                return At(value, substitution.Origin);
            }
        }

        if (environment[string.Join('.', substitution.Path.Keys)] is string variable)
        {
            return new TextValue(substitution.Origin, variable);
        }

        return substitution.IsOptional
            ? null
            : throw substitution.Origin.Error($"{definition.Path} refers to {substitution.Path}, which is neither a setting nor an environment variable");
    }

    private static ConfigValue At(ConfigValue value, ConfigOrigin origin) => value with { Origin = origin };

    private ConfigValue? Concatenate(ConcatenationNode concatenation, int index)
    {
        List<ConfigValue> parts = [.. concatenation.Parts.Select(part => Evaluate(part, index)).OfType<ConfigValue>()];
        var hasContainer = parts.Any(part => part is SectionValue or ListValue);
        if (hasContainer)
        {
            // Blanks between sections and lists mean nothing.
            parts.RemoveAll(part => part is TextValue { Text: { } text } && string.IsNullOrWhiteSpace(text));
        }

        if (parts.Count == 0)
        {
            return null;
        }

        if (parts.Sum(part => part.Size) > MostValues)
        {
            throw concatenation.Origin.Error(TooLarge);
        }

        if (parts.All(part => part is SectionValue))
        {
            return parts.Cast<SectionValue>().Aggregate((under, over) => under.With(over));
        }

        if (parts.All(part => part is ListValue))
        {
            return new ListValue(concatenation.Origin, [.. parts.Cast<ListValue>().SelectMany(list => list.Items)]);
        }

        if (hasContainer)
        {
            throw concatenation.Origin.Error($"{definitions[index].Path} joins a section or list with something else");
        }

        _characters += parts.Cast<TextValue>().Sum(part => (long)(part.Text?.Length ?? 0));
        return _characters <= MostCharacters
            ? new TextValue(concatenation.Origin, string.Concat(parts.Cast<TextValue>().Select(part => part.Text ?? "null")))
            : throw concatenation.Origin.Error(TooLarge);
    }

    // A text or list at a path above hides what was defined below it before.
    private sealed record HiddenValue(ConfigOrigin Origin) : ConfigValue(Origin)
    {
        public override long Size => 1;

        private protected override Akka.Configuration.Hocon.IHoconElement Element() => throw new InvalidOperationException("A hidden value has no form.");
    }
}

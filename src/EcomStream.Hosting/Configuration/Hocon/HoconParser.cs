using System.Text;
using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>
/// Parses HOCON (https://github.com/lightbend/config/blob/main/HOCON.md) into nodes that know their lines. Akka's own
/// parser ignores some forms of include, loses lines, and does not end on some inputs.
/// </summary>
internal sealed class HoconParser
{
    private const int DeepestNesting = 100;

    private readonly HoconScanner _in;
    private int _depth;

    private HoconParser(HoconScanner scanner) => _in = scanner;

    /// <summary>Parses a whole text.</summary>
    /// <param name="source">Its name for errors.</param>
    /// <param name="text">The text.</param>
    /// <exception cref="ConfigurationException">It is not HOCON; the message has the line.</exception>
    public static SectionNode Parse(string source, string text)
    {
        var parser = new HoconParser(new HoconScanner(source, text));
        return parser.Document();
    }

    /// <summary>Parses a value alone, as after an equals sign.</summary>
    public static ConfigNode ParseValue(string source, string text)
    {
        var parser = new HoconParser(new HoconScanner(source, text));
        parser._in.SkipBlanks(overLines: true);
        var value = parser.Value();
        parser._in.SkipBlanks(overLines: true);
        return parser._in.IsAtEnd ? value : throw parser._in.Error($"unexpected '{parser._in.Peek}'");
    }

    private SectionNode Document()
    {
        _in.SkipBlanks(overLines: true);
        if (_in.Peek == '[')
        {
            throw _in.Error("a configuration is a section, not a list");
        }

        var root = _in.Peek == '{' ? Section() : new SectionNode(_in.Origin, Fields(end: '\0'));
        _in.SkipBlanks(overLines: true);
        return _in.IsAtEnd ? root : throw _in.Error($"unexpected '{_in.Peek}' after the end");
    }

    private SectionNode Section()
    {
        var origin = Open();
        var fields = Fields(end: '}');
        Close('}', origin);
        return new SectionNode(origin, fields);
    }

    private ListNode List()
    {
        var origin = Open();
        var items = new List<ConfigNode>();
        _in.SkipBlanks(overLines: true);
        while (_in.Peek != ']')
        {
            items.Add(Value());
            Separate(']', "a comma or a line end between the items of a list");
        }

        Close(']', origin);
        return new ListNode(origin, items);
    }

    private ConfigOrigin Open()
    {
        if (++_depth > DeepestNesting)
        {
            throw _in.Error($"sections and lists are nested more than {DeepestNesting} deep");
        }

        var origin = _in.Origin;
        _in.Take(_in.Peek.ToString());
        return origin;
    }

    private void Close(char bracket, ConfigOrigin opened)
    {
        _depth--;
        if (!_in.Take(bracket.ToString()))
        {
            throw opened.Error($"the bracket is not closed by '{bracket}'");
        }
    }

    private List<ConfigField> Fields(char end)
    {
        var fields = new List<ConfigField>();
        _in.SkipBlanks(overLines: true);
        while (!_in.IsAtEnd && _in.Peek != end)
        {
            fields.Add(Field());
            Separate(end, "a comma or a line end between two settings; a text with such a character must be in quotes");
        }

        return fields;
    }

    // One comma, line ends, or both.
    private void Separate(char end, string missing)
    {
        var isSeparated = _in.SkipBlanks(overLines: true);
        if (_in.Take(","))
        {
            isSeparated = true;
            _in.SkipBlanks(overLines: true);
        }

        if (!isSeparated && !_in.IsAtEnd && _in.Peek != end)
        {
            throw _in.Error($"unexpected '{_in.Peek}': expected {missing}");
        }
    }

    private ConfigField Field()
    {
        var origin = _in.Origin;
        if (HoconInclude.IsNext(_in))
        {
            return HoconInclude.Parse(_in);
        }

        var path = Path("=:{");
        _in.SkipBlanks(overLines: true);
        if (_in.Peek == '{')
        {
            return new AssignedField(origin, path, Value(), IsAppend: false);
        }

        var isAppend = _in.Take("+=");
        if (!isAppend && !_in.Take("=") && !_in.Take(":"))
        {
            throw origin.Error($"{path} has no value: expected '=', ':', '+=' or '{{'");
        }

        _in.SkipBlanks(overLines: true);
        return new AssignedField(origin, path, Value(), isAppend);
    }

    private ConfigPath Path(string ends)
    {
        var keys = new List<string>();
        var origin = _in.Origin;
        while (true)
        {
            var key = new StringBuilder(TakeWord());
            var blanks = _in.TakeBlanks();
            while (!_in.IsAtEnd && _in.Peek != '.' && (_in.IsAtUnquoted || _in.Peek == '"'))
            {
                // A key may be several words.
                key.Append(blanks).Append(TakeWord());
                blanks = _in.TakeBlanks();
            }

            if (key.Length == 0)
            {
                throw origin.Error(_in.IsAtEnd ? "a path ends too early" : $"unexpected '{_in.Peek}': expected a key{(ends == "}" ? "" : " of letters, digits, - and _, or one in quotes")}");
            }

            if (keys.Count == DeepestNesting)
            {
                throw origin.Error($"a path has more than {DeepestNesting} keys");
            }

            keys.Add(key.ToString());
            if (!_in.Take("."))
            {
                return new ConfigPath(keys);
            }
        }
    }

    private string TakeWord() => _in.Peek == '"' ? _in.TakeQuoted() : _in.TakeUnquoted(isKey: true);

    private ConfigNode Value()
    {
        var origin = _in.Origin;
        var parts = new List<ConfigNode>();
        var blanks = "";
        while (true)
        {
            var part = Part();
            if (part is null)
            {
                break;
            }

            if (parts.Count > 0 && blanks.Length > 0)
            {
                parts.Add(new TextNode(origin, blanks, IsQuoted: false));
            }

            parts.Add(part);
            blanks = _in.TakeBlanks();
        }

        return parts.Count switch
        {
            0 => throw _in.Error(_in.IsAtEnd || _in.Peek is '\n' or '}' or ']' ? "a value is missing" : $"unexpected '{_in.Peek}': a text with this character must be in quotes"),
            1 => parts[0],
            _ => new ConcatenationNode(origin, parts),
        };
    }

    // Null at the end of the value.
    private ConfigNode? Part()
    {
        var origin = _in.Origin;
        switch (_in.Peek)
        {
            case '{':
                return Section();
            case '[':
                return List();
            case '"':
                return new TextNode(origin, _in.TakeQuoted(), IsQuoted: true);
            case '$':
                return Substitution();
            default:
                return _in.IsAtUnquoted ? new TextNode(origin, _in.TakeUnquoted(isKey: false), IsQuoted: false) : null;
        }
    }

    private SubstitutionNode Substitution()
    {
        var origin = _in.Origin;
        if (!_in.Take("${"))
        {
            throw _in.Error("unexpected '$': a text with this character must be in quotes");
        }

        var isOptional = _in.Take("?");
        _in.TakeBlanks();
        var path = Path("}");
        return _in.Take("}") ? new SubstitutionNode(origin, path, isOptional) : throw origin.Error($"the substitution of {path} is not closed by '}}'");
    }
}

using Akka.Configuration;

namespace EcomStream.Hosting.Tests.Configuration;

/// <summary>HOCON as its specification defines it; and what is not supported is an error with its line, never a hang.</summary>
public sealed class HoconTests
{
    // Found by fuzzing: each key of a path is a level of sections, and each level a call on the stack.
    [Theory]
    [InlineData("{0} = 1")]
    [InlineData("a = ${{{0}}}")]
    public void A_path_of_more_than_a_hundred_keys_is_an_error(string form) =>
        Should.Throw<ConfigurationException>(() => Values(string.Format(form, string.Join('.', Enumerable.Repeat("a", 20_000)))))
            .Message.ShouldContain("more than 100 keys");

    [Fact]
    public void A_key_of_many_words_takes_memory_in_proportion_to_its_length()
    {
        var text = string.Concat(Enumerable.Repeat("word ", 20_000)) + "= 1";
        var before = GC.GetAllocatedBytesForCurrentThread();
        Values(text).Length.ShouldBeGreaterThan(99_000);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(64 << 20);
    }

    [Theory]
    [InlineData("a = 1", "a=1")]
    [InlineData("a : 1, b = two words , c=on", "a=1 b=two words c=on")]
    [InlineData("{ a = 1 }", "a=1")]
    [InlineData("a { b { c = 1 }, d = 2 }", "a.b.c=1 a.d=2")]
    [InlineData("a.b.c = 1\na.b.d = 2", "a.b.c=1 a.b.d=2")]
    [InlineData("a = 1 # comment\n// another\nb = 2", "a=1 b=2")]
    [InlineData("\"x.y\" = 1", "\"x.y\"=1")]
    [InlineData("a = \"q \\\"\\u00e9\\n\"", "a=q \"é\n")]
    [InlineData("a = \"\"\"three \" \\ quotes\"\"\"\"", "a=three \" \\ quotes\"")]
    [InlineData("a = [1, 2\n3]", "a=[1,2,3]")]
    [InlineData("a = []", "a=[]")]
    [InlineData("a = null", "a=<null>")]
    [InlineData("a = \"null\"", "a=null")]
    [InlineData("a = \"\"", "a=")]
    [InlineData("a = 1\na = 2", "a=2")]
    [InlineData("a { b = 1 }\na { c = 2 }", "a.b=1 a.c=2")]
    [InlineData("a { b = 1 }\na = 2\na { c = 3 }", "a.c=3")]
    [InlineData("a { b = 1 }\na = null\na { c = 3 }", "a.c=3")]
    [InlineData("a = 5\na {}", "a={}")]
    [InlineData("a = 10.5s", "a=10.5s")]
    [InlineData("\ufeffa = 1", "a=1")]
    [InlineData("", "")]
    [InlineData("# nothing", "")]
    public void A_text_is_read_as_the_specification_says(string text, string values) => Values(text).ShouldBe(values);

    [Theory]
    [InlineData("a = 1, b = ${a}", "a=1 b=1")]
    [InlineData("b = ${a}, a = 1", "b=1 a=1")]
    [InlineData("b = ${a}, a = 1, a = 2", "b=2 a=2")]
    [InlineData("a = x${b}y, b = 1", "a=x1y b=1")]
    [InlineData("a = ${?none}", "")]
    [InlineData("a = 1, a = ${?none}", "a=1")]
    [InlineData("a = 1, a = ${a}2", "a=12")]
    [InlineData("a = 1, a = ${a}2, a = ${a}3", "a=123")]
    [InlineData("a = ${?a}x", "a=x")]
    [InlineData("a.b = 1, a.b = ${a.b}_x", "a.b=1_x")]
    [InlineData("a = [1], a = ${a} [2]", "a=[1,2]")]
    [InlineData("a += 1, a += 2", "a=[1,2]")]
    [InlineData("a = [1]\na += 2", "a=[1,2]")]
    [InlineData("s { x = 1, y = 2 }, t = ${s} { y = 3 }", "s.x=1 s.y=2 t.x=1 t.y=3")]
    [InlineData("t = ${s}, t.y = 3, s { x = 1, y = 2 }", "t.x=1 t.y=3 s.x=1 s.y=2")]
    [InlineData("a { b = ${a.c}, c = 5 }", "a.b=5 a.c=5")]
    [InlineData("a = { c = 1 }, a = ${a.c}", "a=1")]
    [InlineData("a = ${b}, b = ${c}, c = 7", "a=7 b=7 c=7")]
    [InlineData("a = ${none}, a = 1", "a=1")]
    [InlineData("a.b = ${none}, a = 1", "a=1")]
    [InlineData("a = [${b}, { c = ${b} }], b = 1", "a=[1,{c=1}] b=1")]
    [InlineData("a = ${VARIABLE}", "a=from the environment")]
    [InlineData("a = ${?VARIABLE}", "a=from the environment")]
    [InlineData("VARIABLE = file, a = ${VARIABLE}", "VARIABLE=file a=file")]
    [InlineData("a = 1, a = ${?MISSING}", "a=1")]
    public void Substitutions_are_resolved(string text, string values) => Values(text).ShouldBe(values);

    [Theory]
    [InlineData("a = ${a}", 1, "refers to a")]
    [InlineData("a = ${b}\nb = ${a}", 2, "refers to itself")]
    [InlineData("a = ${?b}\nb = ${?a}", 2, "refers to itself")]
    [InlineData("keyspace = ${keyspace}_x", 1, "neither a setting nor an environment variable")]
    [InlineData("a = 1\nb = ${none.here}", 2, "b refers to none.here")]
    [InlineData("a = 1 b = 2", 1, "unexpected '='")]
    [InlineData("a = localhost:8085", 1, "unexpected ':'")]
    [InlineData("a = {x = 1} 2", 1, "joins a section or list")]
    [InlineData("a = 1\na += 2", 2, "not a list")]
    [InlineData("\na", 2, "a has no value")]
    [InlineData("a =\n\nb = 1", 3, "unexpected '='")]
    [InlineData("a = ", 1, "a value is missing")]
    [InlineData("a..b = 1", 1, "expected a key")]
    [InlineData("= 1", 1, "expected a key")]
    [InlineData("a = $x", 1, "unexpected '$'")]
    [InlineData("a = ${x", 1, "not closed")]
    [InlineData("a = \"\\q\"", 1, "escape sequence")]
    [InlineData("[1]", 1, "not a list")]
    [InlineData("a = 1\n{ b = 2 }", 2, "unexpected")]
    [InlineData("include url(\"http://x\")", 1, "include url() is not supported")]
    [InlineData("a = 1\ninclude required(classpath(\"x\"))", 2, "include classpath() is not supported")]
    [InlineData("include required(\"none.conf\")", 1, "none.conf does not exist")]
    [InlineData("include required(file(\"none.conf\"))", 1, "none.conf does not exist")]
    [InlineData("include x.conf", 1, "in quotes")]
    [InlineData("a = 1\ninclude \"no\\u0000ne.conf\"", 2, "null character")]
    [InlineData("include required(\"none.conf\"", 1, "not closed")]
    public async Task What_is_wrong_is_an_error_with_its_line(string text, int line, string error)
    {
        var failure = await Should.ThrowAsync<ConfigurationException>(Task.Run(() => Values(text)).WaitAsync(TimeSpan.FromSeconds(20)));
        failure.Message.ShouldContain(error);
        if (!failure.Message.Contains("not valid HOCON"))
        {
            failure.Message.ShouldStartWith($"test.conf:{line}: ");
        }
    }

    [Fact]
    public async Task What_expands_without_measure_ends_with_an_error()
    {
        var doubling = "a0 = x\n" + string.Concat(Enumerable.Range(1, 60).Select(i => $"a{i} = ${{a{i - 1}}}${{a{i - 1}}}\n"));
        var self = "a = x\n" + string.Concat(Enumerable.Range(1, 60).Select(_ => "a = ${a}${a}\n"));
        var deep = string.Concat(Enumerable.Repeat("a {", 5_000)) + string.Concat(Enumerable.Repeat("}", 5_000));
        var chain = "a0 = x\n" + string.Concat(Enumerable.Range(1, 20_000).Select(i => $"a{i} = ${{a{i + 1}}}\n"));
        foreach (var text in new[] { doubling, self, deep, chain })
        {
            await Should.ThrowAsync<ConfigurationException>(Task.Run(() => Values(text)).WaitAsync(TimeSpan.FromSeconds(20)));
        }
    }

    // What is used twice takes no memory of its own until it is written out: each of these has 2^40 values, or copies them.
    [Theory]
    [InlineData("a0 {{ x = 1 }}", "a{0} {{ l = ${{a{1}}}, r = ${{a{1}}} }}")]
    [InlineData("a0 = [1]", "a{0} = ${{a{1}}} ${{a{1}}}")]
    [InlineData("a0 = [1]", "a{0} = [${{a{1}}}, ${{a{1}}}]")]
    [InlineData("a0 {{ x = 1 }}", "a{0} = {{ l = ${{a{1}}} }} {{ r = ${{a{1}}} }}")]
    public async Task Sections_and_lists_that_double_are_refused_before_memory_is_exhausted(string first, string next)
    {
        var text = string.Join('\n', Enumerable.Range(0, 41).Select(i => string.Format(i == 0 ? first : next, i, i - 1)));
        var before = GC.GetTotalAllocatedBytes();
        (await Should.ThrowAsync<ConfigurationException>(Task.Run(() => Values(text)).WaitAsync(TimeSpan.FromSeconds(20))))
            .Message.ShouldContain("the substitutions expand too far");
        (GC.GetTotalAllocatedBytes() - before).ShouldBeLessThan(512L << 20);
    }

    [Fact]
    public void No_mutilated_text_hangs_or_fails_otherwise()
    {
        const string Whole = "include \"x\"\na { b = ${?c.d}\"q\" [1, {e = 2}] }\n# c\nf += 1, g = \"\"\"t\"\"\" ${a.b}\nh = ${h}";
        var random = new Random(1);
        for (var i = 0; i < 5_000; i++)
        {
            var text = new System.Text.StringBuilder(Whole);
            for (var change = random.Next(1, 4); change > 0; change--)
            {
                var at = random.Next(text.Length);
                _ = random.Next(3) switch
                {
                    0 => text.Remove(at, Math.Min(random.Next(1, 8), text.Length - at)),
                    1 => text.Insert(at, "{}[]\"$=:,.#\n +"[random.Next(14)]),
                    _ => text.Insert(at, text.ToString(at, Math.Min(10, text.Length - at))),
                };
            }

            try
            {
                Values(text.ToString());
            }
            catch (ConfigurationException)
            {
                // That is the answer to most of them.
            }
        }
    }

    private static string Values(string text)
    {
        var environment = new Dictionary<string, string> { ["VARIABLE"] = "from the environment" };
        var values = new ConfigResolver(ConfigDefinitions.OfText("test.conf", text).All, environment).Resolve();
        return string.Join(' ', values.Leaves().Select(leaf => $"{leaf.Path}={Text(leaf.Value)}"));
    }

    private static string Text(ConfigValue value) => value switch
    {
        TextValue text => text.Text ?? "<null>",
        ListValue list => $"[{string.Join(',', list.Items.Select(Text))}]",
        SectionValue section => $"{{{string.Join(' ', section.Leaves().Select(leaf => $"{leaf.Path}={Text(leaf.Value)}"))}}}",
        _ => throw new ArgumentOutOfRangeException(nameof(value)),
    };
}

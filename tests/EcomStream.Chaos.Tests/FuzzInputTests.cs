using EcomStream.Chaos.Fuzzing;

namespace EcomStream.Chaos.Tests;

public sealed class FuzzInputTests
{
    private static readonly IReadOnlyList<byte[]> _corpus = Corpus.Of("""{"order_id": 1}""", """{"order_id": 2, "item": "Lamp"}""");

    [Fact]
    public void The_same_seed_gives_the_same_inputs()
    {
        var (first, second) = (new FuzzInput(new Random(7)), new FuzzInput(new Random(7)));
        for (var i = 0; i < 100; i++)
        {
            first.Next(_corpus, Corpus.JsonTokens).ShouldBe(second.Next(_corpus, Corpus.JsonTokens));
        }
    }

    [Fact]
    public void A_reader_that_fails_on_a_rare_input_is_found_and_the_input_can_be_repeated()
    {
        var output = new StringWriter();
        new FuzzRun(seed: 1, inputs: 20_000, output).Run([new FailsOnNaN()], only: null).ShouldBeFalse();

        var number = long.Parse(output.ToString().Split("--number ")[1].Split(':')[0]);
        var again = new StringWriter();
        new FuzzRun(seed: 1, inputs: 20_000, again).Run([new FailsOnNaN()], number).ShouldBeFalse();
        again.ToString().ShouldContain("--number " + number);
    }

    private sealed class FailsOnNaN : IFuzzTarget
    {
        public string Name => "fails";

        public int Weight => 1;

        public void Run(FuzzInput input)
        {
            if (System.Text.Encoding.UTF8.GetString(input.Next(_corpus, Corpus.JsonTokens)).Contains("1e999", StringComparison.Ordinal))
            {
                throw new InvalidOperationException("as meant");
            }
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

using System.Globalization;
using EcomStream.Core;

namespace EcomStream.Simulation;

/// <summary>A dead letter as its topic has it.</summary>
/// <param name="Topic">The topic.</param>
/// <param name="Message">The message.</param>
/// <param name="At">When it was published, microseconds of virtual time.</param>
internal sealed record PublishedDeadLetter(string Topic, OutgoingMessage Message, long At)
{
    /// <summary>One of its attributes; empty without it.</summary>
    public string this[string attribute] => Message.Attributes.GetValueOrDefault(attribute, "");

    public override string ToString() => $"{this["reason"]} order {this["order_id"]} payment {this["payment_id"]}";
}

/// <summary>A process's publisher of dead letters.</summary>
/// <param name="world">The world.</param>
/// <param name="process">The process.</param>
internal sealed class SimulatedPublisher(SimulatedWorld world, SimulatedProcess process) : IPublisher
{
    public async Task<IReadOnlyList<string>> PublishAsync(string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken)
    {
        var random = world.Loop.Random;
        while (true)
        {
            var result = new TaskCompletionSource<IReadOnlyList<string>?>();
            await using var cancellation = cancellationToken.Register(() => result.TrySetCanceled(cancellationToken));
            var owner = Scenario.Chance(random, 0.5) ? process : null;
            world.Loop.After(world.Delay(world.Scenario.Latency), $"{topic}: {messages.Count} dead letters arrive", () =>
            {
                if (world.MissingTopic == topic)
                {
                    Answer("refused", () => result.TrySetException(new PublishFailedException($"{topic} does not exist.")));
                    return;
                }

                // The adapter repeats what failed, also what took effect without an answer.
                var fails = world.BrokerIsDown || Scenario.Chance(random, world.FaultShare(world.Scenario.PublishFaultShare));
                if (!fails || (!world.BrokerIsDown && Scenario.Chance(random, 0.5)))
                {
                    foreach (var message in messages)
                    {
                        world.Publish(new PublishedDeadLetter(topic, message, world.Loop.Now));
                    }
                }

                var ids = messages.Select((_, i) => (world.DeadLetters.Count - i).ToString(CultureInfo.InvariantCulture)).ToArray();
                Answer(fails ? "failed" : "accepted", () => result.TrySetResult(fails ? null : ids));
            }, owner);

            if (await result.Task is { } published)
            {
                return published;
            }
        }

        void Answer(string text, Action run) => world.Loop.After(world.Delay(world.Scenario.Latency), $"{topic}: {text}", run, process);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

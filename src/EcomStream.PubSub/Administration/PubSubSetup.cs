using Google.Cloud.Iam.V1;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub;

/// <summary>Makes and verifies topics and subscriptions as a whole.</summary>
/// <param name="connection">The connection.</param>
public sealed class PubSubSetup(PubSubConnection connection)
{
    private readonly PubSubSettings _settings = connection.Settings;
    private readonly PubSubAdmin _admin = new(connection);

    /// <summary>Makes what is missing; what is there stays as it is.</summary>
    /// <param name="plans">What there should be. Topics are made before subscriptions.</param>
    /// <param name="dryRun">Only says what would be made.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <returns>What was made, or would be: one line each.</returns>
    /// <exception cref="PubSubAdminException">The server refuses for good.</exception>
    public async Task<IReadOnlyList<string>> CreateMissingAsync(IReadOnlyList<SubscriptionPlan> plans, bool dryRun, CancellationToken cancellationToken)
    {
        var done = new List<string>();
        foreach (var topic in Topics(plans))
        {
            var isMissing = dryRun ? !await _admin.TopicExistsAsync(topic, cancellationToken) : await _admin.EnsureTopicAsync(topic, cancellationToken);
            if (isMissing)
            {
                done.Add($"topic {_settings.TopicName(topic)}");
            }
        }

        foreach (var plan in plans)
        {
            var isMissing = dryRun
                ? await _admin.FindSubscriptionAsync(plan.Subscription, cancellationToken) is null
                : await _admin.EnsureSubscriptionAsync(plan, cancellationToken);
            if (isMissing)
            {
                done.Add($"subscription {_settings.SubscriptionName(plan.Subscription)} of {_settings.TopicName(plan.Topic)}: {Describe(plan)}");
            }
        }

        return done;
    }

    /// <summary>Compares what there is with what there should be, permissions included.</summary>
    /// <param name="plans">What there should be.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <returns>Every difference, one line each; and what could not be checked.</returns>
    /// <exception cref="PubSubAdminException">The server refuses for good.</exception>
    public async Task<(IReadOnlyList<string> Differences, IReadOnlyList<string> Unchecked)> CheckAsync(
        IReadOnlyList<SubscriptionPlan> plans, CancellationToken cancellationToken)
    {
        var (differences, left) = (new List<string>(), new List<string>());
        foreach (var topic in Topics(plans))
        {
            var path = _settings.TopicName(topic);
            if (!await _admin.TopicExistsAsync(topic, cancellationToken))
            {
                differences.Add($"topic {path} is missing");
            }
            else if (plans.Any(plan => plan.Topic == topic && plan.Publishes))
            {
                await CheckPermissionsAsync(path, ["pubsub.topics.publish"], differences, left, cancellationToken);
            }
        }

        left.AddRange(Grants(plans));
        foreach (var plan in plans)
        {
            var path = _settings.SubscriptionName(plan.Subscription);
            if (await _admin.FindSubscriptionAsync(plan.Subscription, cancellationToken) is not { } found)
            {
                differences.Add($"subscription {path} is missing");
                continue;
            }

            differences.AddRange(plan.Differences(found, _settings).Select(difference => $"subscription {path}: {difference}"));
            if (plan.Consumes)
            {
                await CheckPermissionsAsync(path, ["pubsub.subscriptions.consume"], differences, left, cancellationToken);
            }
        }

        return (differences, left);
    }

    /// <summary>
    /// What has to be granted to the service itself so that its dead-letter policies work, one line each: it moves
    /// messages as an account of its own, whose permissions this account cannot ask for
    /// (https://cloud.google.com/pubsub/docs/dead-letter-topics#granting_forwarding_permissions).
    /// </summary>
    /// <param name="plans">What there should be.</param>
    /// <returns>None without a dead-letter policy, and with an emulator, which asks for no permissions.</returns>
    public IReadOnlyList<string> Grants(IReadOnlyList<SubscriptionPlan> plans) => _settings.EmulatorHost.Length > 0
        ? []
        :
        [
            .. plans.Where(plan => plan.DeadLetterTopic.Length > 0).Select(plan =>
                $"service-PROJECT_NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com needs roles/pubsub.publisher on {_settings.TopicName(plan.DeadLetterTopic)} "
                + $"and roles/pubsub.subscriber on {_settings.SubscriptionName(plan.Subscription)}, or no dead letters are moved"),
        ];

    private static IEnumerable<string> Topics(IReadOnlyList<SubscriptionPlan> plans) =>
        plans.Select(plan => plan.Topic).Concat(plans.Select(plan => plan.DeadLetterTopic).Where(topic => topic.Length > 0)).Distinct();

    private static string Describe(SubscriptionPlan plan) => string.Join(
        ", ",
        new[]
        {
            $"ack deadline {plan.AckDeadline.TotalSeconds:0} s",
            plan.Retention > TimeSpan.Zero ? $"keeps {plan.Retention.TotalHours:0.##} h" : "",
            plan.ExactlyOnce ? "exactly-once delivery" : "",
            plan.DeadLetterTopic.Length > 0 ? $"dead letters to {plan.DeadLetterTopic} after {plan.MaxDeliveryAttempts} deliveries" : "",
            "never expires",
        }.Where(part => part.Length > 0));

    private async Task CheckPermissionsAsync(
        string resource, string[] wanted, List<string> differences, List<string> left, CancellationToken cancellationToken)
    {
        try
        {
            var request = new TestIamPermissionsRequest { Resource = resource, Permissions = { wanted } };
            var held = await _admin.CallAsync(
                resource, options => connection.Policies.TestIamPermissionsAsync(request, options).ResponseAsync, cancellationToken);
            differences.AddRange(wanted.Except(held.Permissions).Select(permission => $"this account has no {permission} on {resource}"));
        }
        catch (RpcException error) when (error.StatusCode == StatusCode.Unimplemented)
        {
            left.Add($"permissions on {resource}: {_settings.Endpoint} does not know them");
        }
        catch (RpcException error)
        {
            differences.Add($"permissions on {resource} cannot be asked: {PubSubErrors.Explain(error, "project", connection.Account)}");
        }
    }
}

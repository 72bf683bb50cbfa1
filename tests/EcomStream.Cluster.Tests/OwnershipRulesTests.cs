namespace EcomStream.Cluster.Tests;

/// <summary>A node writes only while the majority cannot have given its shards to another node.</summary>
public sealed class OwnershipRulesTests
{
    private static readonly NodeId Self = new("a", 1);
    private static readonly NodeId Second = new("b", 2);
    private static readonly NodeId Third = new("c", 3);
    private static readonly NodeId Fourth = new("d", 4);

    private readonly OwnershipRules _rules = new(Self, TimeSpan.FromMicroseconds(100));

    [Fact]
    public void A_node_that_has_not_joined_owns_nothing()
    {
        _rules.Certificate(0).ShouldBeNull();

        _rules.Members([Second, Third]);
        _rules.Confirmed(Second, sentAt: 0);
        _rules.Confirmed(Third, sentAt: 0);

        _rules.Certificate(0).ShouldBeNull();
    }

    [Fact]
    public void The_only_member_owns_its_shards() => With(Self).Certificate(1_000_000).ShouldNotBeNull();

    [Fact]
    public void One_of_two_other_nodes_is_enough_for_a_majority()
    {
        var rules = With(Self, Second, Third);
        rules.Certificate(10).ShouldBeNull();

        rules.Confirmed(Third, sentAt: 10);

        rules.Certificate(110).ShouldNotBeNull();
        rules.Certificate(111).ShouldBeNull();
    }

    [Fact]
    public void Half_of_the_members_is_not_a_majority()
    {
        var rules = With(Self, Second, Third, Fourth);
        rules.Confirmed(Second, sentAt: 10);
        rules.Certificate(10).ShouldBeNull();

        rules.Confirmed(Third, sentAt: 5);

        rules.Certificate(105).ShouldNotBeNull();
        rules.Certificate(106).ShouldBeNull();
    }

    [Fact]
    public void The_certificate_stays_the_same_while_confirmations_follow_each_other()
    {
        var rules = With(Self, Second);
        rules.Confirmed(Second, sentAt: 0);
        var first = rules.Certificate(50).ShouldNotBeNull();
        rules.Confirmed(Second, sentAt: 60);

        rules.Certificate(140).ShouldBe(first);
    }

    [Fact]
    public void After_a_gap_the_certificate_is_another_one()
    {
        var rules = With(Self, Second);
        rules.Confirmed(Second, sentAt: 0);
        var before = rules.Certificate(50).ShouldNotBeNull();

        // The process was frozen; what arrived meanwhile confirms only what was sent before.
        rules.Certificate(40_000_000).ShouldBeNull();
        rules.Confirmed(Second, sentAt: 40_000_000);

        rules.Certificate(40_000_001).ShouldNotBeNull().ShouldNotBe(before);
    }

    [Fact]
    public void A_gap_that_nobody_looked_at_counts_too()
    {
        var rules = With(Self, Second);
        rules.Confirmed(Second, sentAt: 0);
        var before = rules.Certificate(50).ShouldNotBeNull();
        rules.Confirmed(Second, sentAt: 40_000_000);

        rules.Certificate(40_000_001).ShouldNotBeNull().ShouldNotBe(before);
    }

    [Fact]
    public void A_node_that_is_gone_does_not_confirm_any_more()
    {
        var rules = With(Self, Second, Third);
        rules.Confirmed(Third, sentAt: 10);
        rules.Members([Self, Second]);

        rules.Certificate(10).ShouldBeNull();
    }

    private OwnershipRules With(params NodeId[] members)
    {
        _rules.Members(members);
        return _rules;
    }
}

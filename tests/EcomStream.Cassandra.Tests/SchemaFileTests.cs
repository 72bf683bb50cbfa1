using EcomStream.Cassandra.Schema;
using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Tests;

/// <summary>The schema file without a server.</summary>
public sealed class SchemaFileTests
{
    [Fact]
    public void The_schema_file_is_read_as_tables_and_renamed_as_the_settings_say()
    {
        var schema = new CassandraSchema(new CassandraSettings { Keyspace = "shop", FactsTable = "facts", Replication = "{'class': 'NetworkTopologyStrategy', 'dc1': 3}" });
        schema.Statements.Count.ShouldBe(5);
        schema.Statements[0].ShouldContain("'dc1': 3");
        schema.Text.ShouldNotContain("ecom_store");
        var facts = TableDefinition.Parse(schema.Statements[1]);
        facts.Name.ShouldBe("facts");
        facts.Columns.Count.ShouldBe(13);
        facts.Columns[0].Kind.ShouldBe("partition_key");
        TableDefinition.Parse(schema.Statements[2]).Columns.Where(c => c.Position >= 0).Select(c => c.Name).ShouldBe(["bucket", "order_id", "payment_key"]);
        var listing = TableDefinition.Parse(schema.Statements[3]);
        listing.Name.ShouldBe("unmatched_payments_by_time");
        listing.Columns.Select(c => (c.Kind, c.Position)).ShouldBe([("partition_key", 0), ("clustering", 0), ("clustering", 1), ("clustering", 2), ("clustering", 3)]);
        TableDefinition.Parse(schema.Statements[4]).Name.ShouldBe("subscription_owners");
        Should.Throw<CqlFault>(() => new CassandraSchema(new CassandraSettings { Keyspace = "shop; DROP" }));
    }
}

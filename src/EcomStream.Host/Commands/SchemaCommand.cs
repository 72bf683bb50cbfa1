using System.CommandLine;
using EcomStream.Cassandra;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream schema print|apply|check</c>: the tables in Cassandra.</summary>
internal static class SchemaCommand
{
    public static Command Create(CommandContext context)
    {
        var print = Part(context, "print", "Print the schema as CQL", async (admin, _) =>
        {
            await context.Out.WriteAsync(admin.Print());
            return Exit.Ok;
        });
        var apply = Part(context, "apply", "Create the missing parts of the keyspace and tables; existing ones are not changed", async (admin, stop) =>
            await Report(context, await admin.ApplyAsync(stop)));
        var check = Part(context, "check", "Report every difference between the schema and the cluster", async (admin, stop) =>
            await Report(context, await admin.CheckAsync(stop)));
        return new Command("schema", "Print, create and check the schema in Cassandra") { print, apply, check };
    }

    private static Command Part(CommandContext context, string name, string description, Func<CassandraAdmin, CancellationToken, Task<int>> work)
    {
        var common = new CommonOptions(context);
        var replication = new Option<string?>("--replication")
        {
            Description = "Replication to create the keyspace with and to compare it with, such as \"{'class': 'NetworkTopologyStrategy', 'dc1': 3}\"",
        };
        var command = new Command(name, description) { replication };
        common.AddTo(command);
        return command.Runs(context, (result, stop) =>
        {
            var settings = common.Read(result);
            var cassandra = result.GetValue(replication) is { } given ? settings.Cassandra with { Replication = given } : settings.Cassandra;
            return work(Clients.Admin(settings.CassandraClient, cassandra), stop);
        });
    }

    private static async Task<int> Report(CommandContext context, IReadOnlyList<string> differences)
    {
        foreach (var difference in differences)
        {
            await context.Error.WriteLineAsync(difference);
        }

        if (differences.Count == 0)
        {
            await context.Out.WriteLineAsync("The schema has no differences.");
        }

        return differences.Count == 0 ? Exit.Ok : Exit.Differences;
    }
}

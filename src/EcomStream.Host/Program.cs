using System.CommandLine;
using EcomStream.Host.Commands;
using EcomStream.Host.Commands.DeadLetters;

var root = new RootCommand("EcomStream joins a shop's orders with their payments while both are still moving.")
{
    DemoCommand.Create(),
    RunCommand.Create(),
    ProduceCommand.Create(),
    BrokerCommand.Create(),
    OrdersCommand.Create(),
    DeadLettersCommand.Create(),
    SchemaCommand.Create(),
    TopicsCommand.Create(),
    ConfigCommand.Create(),
};

// The host hears SIGTERM and Ctrl-C itself where there is one, and drains; the library's own time limit is not ours.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(2) });

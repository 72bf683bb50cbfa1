using EcomStream.Host;
using EcomStream.Host.Cli;

return await CommandLineProgram.RunAsync(CommandContext.OfProcess(), args);

# EcomStream as an image: docker build -t ecomstream . && docker run --rm ecomstream demo
# Without a command it is the broker: docker run --rm -p 127.0.0.1:8085:8085 ecomstream
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY .editorconfig global.json Directory.Build.props Directory.Packages.props cassandra_table_syntax.cql ./
COPY protos protos
COPY hocon hocon
COPY src src
# The version comes from git tags elsewhere; there is no repository in the build context.
ARG VERSION=0.0.0-image
# true to include Google.Cloud.PubSub.V1 and CassandraCSharpDriver; see docs/clients.md.
ARG OFFICIAL_CLIENTS=false
RUN dotnet publish src/EcomStream.Host -c Release -p:MinVerVersionOverride=$VERSION -p:OfficialClients=$OFFICIAL_CLIENTS -o /out

FROM mcr.microsoft.com/dotnet/aspnet:10.0
WORKDIR /app
COPY --from=build /out .
COPY hocon hocon
COPY deploy/healthcheck.sh .
RUN mkdir data && chown app:app data
USER app
VOLUME /app/data
EXPOSE 8085
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["bash", "/app/healthcheck.sh"]
ENTRYPOINT ["dotnet", "ecomstream.dll"]
CMD ["broker", "--host", "0.0.0.0", "--data", "data"]

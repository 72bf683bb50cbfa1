namespace EcomStream.Cql;

/// <summary>How many replicas must answer (native_protocol_v5.spec, section 3, [consistency]).</summary>
public enum Consistency
{
    /// <summary>Any node, even by a hint. Writes only.</summary>
    Any = 0x00,

    /// <summary>One replica.</summary>
    One = 0x01,

    /// <summary>Two replicas.</summary>
    Two = 0x02,

    /// <summary>Three replicas.</summary>
    Three = 0x03,

    /// <summary>A majority of all replicas.</summary>
    Quorum = 0x04,

    /// <summary>Every replica.</summary>
    All = 0x05,

    /// <summary>A majority of the replicas of the coordinator's datacenter.</summary>
    LocalQuorum = 0x06,

    /// <summary>A majority in each datacenter.</summary>
    EachQuorum = 0x07,

    /// <summary>Serial, for conditional updates.</summary>
    Serial = 0x08,

    /// <summary>Serial within the datacenter, for conditional updates.</summary>
    LocalSerial = 0x09,

    /// <summary>One replica of the coordinator's datacenter.</summary>
    LocalOne = 0x0A,
}

//! Commands on the engine, as a client would send them: no answer is missing, and nothing breaks.
use super::engine::Engine;
use super::protocol;

/// The bytes are a pipeline; one shard and three say the same of how many commands there are.
pub fn run(bytes: &[u8]) {
    let Some((count, bytes)) = bytes.split_first() else { return };
    let commands = protocol::commands(bytes);
    let mut engine = Engine::new(if count % 2 == 0 { 1 } else { 3 });
    for command in commands {
        let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        engine.ask(&args);
    }
}

/// Commands of each type, so many a seed that mutants meet what was made before.
pub fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "\x00SET s hello\nAPPEND s 12\nSETRANGE s 3 x\nGETRANGE s -3 -1\nSETBIT s 77 1\nBITCOUNT s 0 -1 BIT\nBITPOS s 0\nBITFIELD s SET u8 #1 255 INCRBY i5 3 7 OVERFLOW SAT GET u63 0\nINCR n\nINCRBYFLOAT n 0.5\nLCS s n IDX",
        "\x01RPUSH l a b c d e f\nLINSERT l BEFORE c x\nLSET l -1 y\nLREM l -1 a\nLTRIM l 1 -2\nLPOS l x RANK -1 COUNT 0\nLMPOP 1 l LEFT COUNT 2\nLMOVE l m LEFT RIGHT\nLRANGE l 0 -1\nSORT l ALPHA DESC LIMIT 0 3 STORE o",
        "\x00SADD a 1 2 3 x y z\nSADD b 2 3 4\nSINTERSTORE c a b\nSDIFF a b\nSMISMEMBER a 1 9\nSSCAN a 0 MATCH * COUNT 9\nSMOVE a b x\nSPOP a 2\nSRANDMEMBER a -3",
        "\x01ZADD z 1 a 2.5 b -inf c 3 d 4 e\nZINCRBY z 2 a\nZRANGE z (1 +inf BYSCORE LIMIT 0 2\nZRANGEBYLEX z [a (c\nZUNIONSTORE y 2 z z WEIGHTS 2 -1 AGGREGATE MAX\nZPOPMIN z 2\nZREMRANGEBYRANK y 0 1\nZRANGESTORE x y 0 -1\nZRANK z d WITHSCORE",
        "\x00HSET h a 1 b 2 c 3 d 4 e 5\nHINCRBYFLOAT h a 1.5\nHEXPIRE h 100 FIELDS 2 a b\nHPERSIST h FIELDS 1 a\nHGETEX h EX 10 FIELDS 1 c\nHRANDFIELD h 3 WITHVALUES\nHSCAN h 0 NOVALUES\nHSETEX h FNX EX 9 FIELDS 1 f v\nHDEL h a b",
        "\x01XADD x 1-1 a 1 b 2\nXADD x 1-* a 3 b 4\nXADD x * c 5\nXGROUP CREATE x g 0\nXREADGROUP GROUP g me COUNT 2 STREAMS x >\nXPENDING x g - + 9\nXCLAIM x g you 0 1-1\nXAUTOCLAIM x g me 0 0\nXDEL x 1-1\nXTRIM x MAXLEN ~ 1\nXSETID x 9-9 ENTRIESADDED 7\nXINFO STREAM x FULL\nXRANGE x (1 + COUNT 2\nXACKDEL x g KEEPREF IDS 1 1-2",
        "\x00GEOADD g 13.3 38.1 p 15.08 37.5 c\nGEOSEARCH g FROMMEMBER p BYRADIUS 200 km ASC WITHDIST\nGEOSEARCH g BYPOLYGON 3 12 37 18 37 15 39\nGEODIST g p c mi\nGEOHASH g p c\nGEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST",
        "\x01PFADD p a b c d e\nPFADD q d e f\nPFMERGE r p q\nPFCOUNT p q\nPFDEBUG ENCODING p\nDUMP p\nCOPY p o\nEXPIRE p 100 GT\nPEXPIRETIME p\nRENAME p t\nOBJECT ENCODING t\nTYPE t\nSCAN 0 TYPE string\nKEYS [a-z]\nTOUCH t q\nMSETEX 2 a 1 b 2 NX EX 9",
    ];
    lines.map(|lines| [lines.as_bytes(), b"\n"].concat()).into()
}

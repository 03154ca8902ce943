//! Hashes, for what needs one in more than one place. None withstands an attacker that chooses what is hashed.

/// FNV-1a, 64 bits.
#[inline]
pub(crate) fn fnv1a<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u64 {
    let bytes = bytes.into_iter();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The first factor of [`murmur`].
pub(crate) const MURMUR: u64 = 0xff51_afd7_ed55_8ccd;

/// The first round of [`murmur`]: the upper bits are of all bits, the lower ones are not.
#[inline]
pub(crate) const fn murmur_round(word: u64) -> u64 {
    (word ^ (word >> 33)).wrapping_mul(MURMUR)
}

/// The finaliser of MurmurHash3: no two words have the same, and all bits are of all bits.
#[inline]
pub(crate) const fn murmur(word: u64) -> u64 {
    let mixed = murmur_round(word);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_those_that_they_are_called_by() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(murmur(0), 0);
        assert_eq!(murmur(1), 0xb456_bcfc_34c2_cb2c);
    }
}

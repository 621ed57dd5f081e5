//! Run-time choice of the instruction set; the only module with `unsafe` code in the kernels.
//!
//! A kernel body is written once, over fixed-size arrays of lanes that the compiler turns into
//! vector registers, and compiled several times with different target features by
//! [`multiversion!`](macro@multiversion). All versions perform the same IEEE operations in the
//! same order (fused multiply-adds included), so they give the same bits.

use std::sync::OnceLock;

use crate::error::{Error, Result};

/// The environment variable that forces an instruction set: `avx512`, `avx2` or `portable`.
pub const VARIABLE: &str = "TRULYSPARSE_ISA";

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 F, VL, BW and DQ.
    Avx512,
    /// AVX2 with FMA.
    Avx2,
    /// Whatever the target's baseline is.
    Portable,
}

impl Isa {
    /// The name, as [`VARIABLE`] takes it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Portable => "portable",
        }
    }

    fn supported(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && Isa::Avx2.supported()
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx512 | Isa::Avx2 => false,
            Isa::Portable => true,
        }
    }
}

fn choose() -> Result<Isa> {
    let all = [Isa::Avx512, Isa::Avx2, Isa::Portable];
    match std::env::var(VARIABLE) {
        Err(_) => Ok(all.into_iter().find(|isa| isa.supported()).unwrap_or(Isa::Portable)),
        Ok(name) => all.into_iter().find(|isa| isa.name() == name && isa.supported()).ok_or_else(|| {
            let names: Vec<_> = all.iter().filter(|isa| isa.supported()).map(|isa| isa.name()).collect();
            Error::invalid(VARIABLE, name, format!("one of {}", names.join(", ")))
        }),
    }
}

/// The instruction set in use, or what is wrong with [`VARIABLE`]; decided once per process.
pub fn selected() -> Result<Isa> {
    static SELECTED: OnceLock<std::result::Result<Isa, String>> = OnceLock::new();
    match SELECTED.get_or_init(|| choose().map_err(|_| std::env::var(VARIABLE).unwrap_or_default())) {
        Ok(isa) => Ok(*isa),
        Err(_) => choose(),
    }
}

/// The instruction set in use; a bad [`VARIABLE`] counts as unset here.
#[inline]
pub(super) fn isa() -> Isa {
    selected().unwrap_or(Isa::Portable)
}

/// Defines a function whose body is compiled once for each [`Isa`] and dispatched at run time.
///
/// Generic parameters are written in square brackets: `fn name[const N: usize => N](...)`.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident
        $([$($gen:tt)* ])? ($($arg:ident : $ty:ty),* $(,)?) => $body:path) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name $(<$($gen)*>)? ($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512 $(<$($gen)*>)? ($($arg: $ty),*) { $body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2 $(<$($gen)*>)? ($($arg: $ty),*) { $body($($arg),*) }
                match $crate::kernels::simd::isa() {
                    // SAFETY: `isa` returns Avx512 only after detecting each of these features.
                    #[allow(unsafe_code)]
                    $crate::kernels::simd::Isa::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: `isa` returns Avx2 only after detecting both features.
                    #[allow(unsafe_code)]
                    $crate::kernels::simd::Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::kernels::simd::Isa::Portable => {}
                }
            }
            $body($($arg),*)
        }
    };
}
pub(super) use multiversion;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portable_is_always_supported() {
        assert!(Isa::Portable.supported());
        assert!(selected().is_ok());
    }
}

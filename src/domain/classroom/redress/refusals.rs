//! What appeals and adjustments are refused with.

use super::{Refusal, RefusalKind};

/// Words that say something and are not too long.
pub(super) fn words(text: &str, most: usize, code: &'static str) -> Result<String, Refusal> {
    let text = text.trim();
    let count = text.chars().count();
    match (1..=most).contains(&count) {
        true => Ok(text.to_owned()),
        false => Err(Refusal {
            kind: RefusalKind::Invalid,
            code,
            zh: format!("请写明理由，不超过 {most} 字。"),
            en: format!("Say why, in at most {most} characters."),
        }),
    }
}

pub(super) fn not_withheld() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "appeal.not_withheld",
        "这段时间没有被扣，不需要申诉。",
        "This time is not withheld, so there is nothing to appeal against.",
    )
}

pub(super) fn late(hours: u32) -> Refusal {
    Refusal {
        kind: RefusalKind::Conflict,
        code: "appeal.late",
        zh: format!("申诉期为课后 {hours} 小时，现在已经过了。请联系您的司法所。"),
        en: format!("Appeals are taken for {hours} hours after class. Please contact your office."),
    }
}

pub(super) fn already() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "appeal.already",
        "这段时间您已经申诉过了。",
        "You have appealed against this stretch already.",
    )
}

pub(super) fn too_many(code: &'static str) -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        code,
        "这次学习记录的申诉或调整已达上限，请联系您的司法所。",
        "There are as many appeals or adjustments as one attendance can have. \
         Please contact your office.",
    )
}

pub(super) fn unknown_appeal() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "appeal.unknown",
        "没有找到这份申诉。",
        "There is no such appeal.",
    )
}

pub(super) fn appeal_ended() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "appeal.ended",
        "这份申诉已经结束。",
        "This appeal is over.",
    )
}

pub(super) fn own() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "appeal.own",
        "授课人、学员本人和发起核验的人不能处理，请由其他工作人员处理。",
        "The teacher, the learner and whoever asked for the check do not decide here. \
         Ask a colleague.",
    )
}

pub(super) fn adjustment_seconds() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "adjustment.seconds",
        "每次调整不能为零，也不能超过 8 小时。",
        "An adjustment is not nothing, and at most 8 hours.",
    )
}

pub(super) fn unknown_adjustment() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "adjustment.unknown",
        "没有找到这次学时调整。",
        "There is no such adjustment.",
    )
}

pub(super) fn adjustment_ended() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "adjustment.ended",
        "这次学时调整已经处理。",
        "This adjustment was decided already.",
    )
}

pub(super) fn same_person() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "adjustment.same_person",
        "学时调整需要两个人：提出的人不能自己批准。",
        "An adjustment needs two people: whoever proposed it cannot approve it.",
    )
}

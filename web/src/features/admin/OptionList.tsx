import { CheckCircleFilled } from '@ant-design/icons';
import type { Question } from '../../api/types';
import { useTranslation } from '../../i18n/useText';

/** What is right for each question, as the desk shows it. */
export function OptionList({ question }: { question: Question }) {
  const { t } = useTranslation();
  return (
    <ul className="desk-options">
      {question.options.map((option, index) => (
        // Two options may read the same.
        <li key={index}>
          {option.text}
          {option.correct === true && (
            <span className="desk-correct">
              <CheckCircleFilled /> {t('questions.answer')}
            </span>
          )}
        </li>
      ))}
      {question.accepted.map((text, index) => (
        <li key={index}>
          {text}
          <span className="desk-correct">
            <CheckCircleFilled /> {t('questions.answer')}
          </span>
        </li>
      ))}
    </ul>
  );
}

import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import globals from 'globals';
import tseslint from 'typescript-eslint';

const features = ['session', 'home', 'classroom', 'attendance', 'face', 'ondemand', 'admin'];

// The layers, lowest first. A folder imports from those before it and from itself.
const layers = ['lib', 'i18n', 'api', 'call', 'ui', 'features', 'app'];

function forbid(patterns, message) {
  return { 'no-restricted-imports': ['error', { patterns: [{ group: patterns, message }] }] };
}

const importLaw = [
  ...layers.slice(0, 5).map((layer, index) => ({
    files: [`src/${layer}/**/*.{ts,tsx}`],
    ignores: ['**/*.test.*'],
    rules: forbid(
      layers.slice(index + 1).flatMap((above) => [`**/${above}/**`]),
      `${layer} imports only from the layers below it.`,
    ),
  })),
  ...features.map((feature) => ({
    files: [`src/features/${feature}/**/*.{ts,tsx}`],
    rules: forbid(
      [
        '**/app/**',
        ...features
          .filter((other) => other !== feature)
          .flatMap((other) => [`../${other}/**`, `**/features/${other}/**`]),
        ...(feature === 'admin' ? [] : ['antd', 'antd/**']),
      ],
      'Features never import each other or the app; antd belongs to the desk pages, loaded lazily.',
    ),
  })),
];

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'shots'] },
  {
    files: ['**/*.{js,mjs}'],
    extends: [js.configs.recommended],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [
      js.configs.recommended,
      tseslint.configs.strictTypeChecked,
      hooks.configs.flat['recommended-latest'],
    ],
    languageOptions: {
      globals: globals.browser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'max-lines': ['error', { max: 600 }],
      'no-console': 'error',
    },
  },
  ...importLaw,
);
